"""Where a URL leads, and what of it goes over the wire: its path and query exactly as they were configured.

A client that normalizes a URL breaks the ones that are signed: `%2F`, `%41`, `%e4` and `/a/../b` must arrive as they
were given. Only characters that HTTP cannot carry (RFC 9112 §3.2) are encoded, as UTF-8 (RFC 3987 §3.1).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from delivery_service.domain.hosts import ascii_host

PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class UnusableUrlError(ValueError):
    """A URL that nothing can be sent to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """``host`` is a name in ASCII or an address without brackets; ``authority`` is the header Host (RFC 9110 §7.2).

    ``target`` is path and query, in origin form.
    """

    tls: bool
    host: str
    port: int
    authority: str
    target: str

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What connections are kept for: they may carry requests to any path of it, and to no other origin."""
        return self.tls, self.host, self.port


@lru_cache(maxsize=4096)
def parse_destination(url: str) -> Destination:
    """Take a URL apart.

    Raises:
        UnusableUrlError: it is no absolute http or https URL, or its host cannot be a name or an address.
    """
    if _FORBIDDEN.search(url):
        raise UnusableUrlError("must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise UnusableUrlError("must be an absolute http or https URL")
        host, port = ascii_host(parts.hostname), parts.port
    except ValueError as error:
        raise UnusableUrlError(str(error)) from None
    default = PORTS[parts.scheme]
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != default:
        authority = f"{authority}:{port}"
    return Destination(parts.scheme == "https", host, port or default, authority, _target(url))


def _target(url: str) -> str:
    # Of the text itself: a parser would decode, re-encode or resolve some of it.
    rest = url.partition("//")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    target = rest[start:]
    if not target.startswith("/"):
        target = f"/{target}"
    return target if target.isascii() else quote(target, safe=_PRINTABLE_ASCII)


def is_address(host: str) -> bool:
    """Whether a host is an address, which needs no look-up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
