"""The host of a URL, in the one form in which it is checked, resolved, connected to and sent."""

import re
from ipaddress import IPv6Address

import idna

MAX_HOST = 253
"""Characters of a name in ASCII (RFC 1035 §2.3.4)."""
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


def ascii_host(host: str) -> str:
    """Return a host as it goes over the wire: a name in lower-case ASCII, or an address without brackets.

    Names in other scripts are mapped by UTS 46 and encoded by IDNA 2008, so full-width letters become plain ones. Two
    parts of the service that encoded differently would check one host and call another: `straße.de` is
    `xn--strae-oqa.de` here, and was `strasse.de` in the older IDNA 2003 of Python's own codec.

    Raises:
        ValueError: the rule that it breaks. IDNA 2008 has no emoji, for instance.
    """
    if ":" in host:
        if "%" in host:
            # RFC 6874: it names a network interface, and has a meaning on one machine alone.
            raise ValueError("must not have a zone identifier (%…)")
        return str(IPv6Address(host))
    name = host.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"not valid in IDNA 2008: {error}; its ASCII form (xn--…) can be given instead") from None
    if len(name) > MAX_HOST or not _HOST.fullmatch(name):
        raise ValueError("labels have 1 to 63 letters, digits, hyphens and underscores, 253 characters in all")
    return name
