"""What a receiver repeats of the secrets that it was sent is not kept, in whatever usual form it repeats them.

Receivers echo requests in JSON (`\\/`, `\\u0026`), HTML (`&amp;`, `&#x2F;`), URL encoding (`%2F`, `+`), one inside of
the other, in UTF-16, or take a value out of its header first. So a text is decoded step by step, with the place in the
original of each character, and each secret is looked for at every step.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from html import unescape
from urllib.parse import urlsplit

REDACTED = "[redacted]"
MIN_LENGTH = 8
"""Characters of a part of a secret: less would be found in any text."""
MAX_STEPS = 3
"""Encodings inside of each other that are undone, as JSON in HTML in a URL."""
_LONGEST_ESCAPE = 10
_ENCODINGS = (
    re.compile(r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[^ux]"),
    re.compile(r"%[0-9A-Fa-f]{2}"),
    re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"),
    re.compile(r"\ufffd+"),  # the empty halves of UTF-16 and UTF-32, read as UTF-8
)
"""The escapes of each. They are undone one encoding at a time: a backslash of the secret itself, which HTML does not
escape, begins no escape."""
_HALF_ESCAPE = re.compile(r"(?:\\(?:u[0-9A-Fa-f]{0,3})?|%[0-9A-Fa-f]?|&#?[0-9A-Za-z]{0,7})\Z")
_PARTS = re.compile(r"[\s;,=\"']+")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class Redactions:
    """Replaces secrets in what a receiver sent.

    Args:
        secrets: texts to be replaced wherever they are found.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = secrets

    def apply(self, text: str) -> str:
        """The text as it may be kept and shown. A secret of which it ends with a part is replaced too."""
        # PostgreSQL's text has no NUL; a body may.
        text = text.replace("\0", "\ufffd")
        if not text or not self._needles:
            return text
        kept: list[str] = []
        position = 0
        for start, stop in sorted(self._spans(text)):
            if start >= position:
                kept += text[position:start], REDACTED
            position = max(position, stop)
        kept.append(text[position:])
        return "".join(kept)

    @cached_property
    def _needles(self) -> Sequence[str]:
        # A receiver may have decoded what is encoded in the secret itself, as in a URL.
        found: dict[str, None] = {}
        for secret in filter(None, self._secrets):
            found[_folded(secret)] = None
            for decoded, _starts in _decodings(secret):
                if len(decoded.strip()) >= MIN_LENGTH:
                    found[_folded(decoded)] = None
        return list(found)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        for decoded, starts in _decodings(text):
            folded = _folded(decoded)
            for needle in self._needles:
                at = folded.find(needle)
                while at >= 0:
                    yield starts[at], starts[at + len(needle)]
                    at = folded.find(needle, at + len(needle))
                begun = _begun(folded, needle)
                if begun is not None:
                    yield starts[begun], starts[-1]


def parts_of(secrets: Iterable[str], headers: Mapping[str, str], url: str | None) -> Iterator[str]:
    """The confidential texts of an endpoint, with what a receiver may have taken out of them.

    Args:
        secrets: of signatures, with their prefix.
        headers: custom ones. Their words too, as what follows `Bearer`, the value of a cookie, or Basic's password.
        url: one that is a secret. Its path too, and the last part of that.
    """
    for secret in secrets:
        yield from (secret, secret.partition("_")[2] or secret)
    for value in headers.values():
        yield from filter(_is_long, (value, *_PARTS.split(value), *_credentials(value)))
    if url is not None:
        parts = urlsplit(url)
        path = (f"{parts.path}?{parts.query}" if parts.query else parts.path).lstrip("/")
        # `services/` is the same for everyone; what follows it opens the channel.
        without_first = path.partition("/")[2]
        yield from filter(_is_long, (url, f"/{path}", path, without_first, parts.path.rpartition("/")[2]))


def _credentials(value: str) -> Iterator[str]:
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            plain = b64decode(encoded.strip(), validate=True).decode()
        except (Base64Error, UnicodeDecodeError):
            return
        yield from (plain, plain.partition(":")[2])


def _begun(text: str, needle: str) -> int | None:
    """Where a text ends with the beginning of a secret, and perhaps with half of an escape."""
    opening = needle[:MIN_LENGTH]
    at = text.find(opening, max(0, len(text) - len(needle) - _LONGEST_ESCAPE))
    while at >= 0:
        if needle.startswith(_HALF_ESCAPE.sub("", text[at:])):
            return at
        at = text.find(opening, at + 1)
    return None


def _is_long(text: str) -> bool:
    return len(text) >= MIN_LENGTH


def _folded(text: str) -> str:
    # A form encodes a space as a plus, which elsewhere stands for itself.
    return text.replace("+", " ")


def _decodings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The text, and its decodings by up to ``MAX_STEPS`` encodings, in every order.

    With each comes the place in the original of each of its characters, and of its end.
    """
    seen = {text}
    step: list[tuple[str, Sequence[int]]] = [(text, range(len(text) + 1))]
    for _ in range(MAX_STEPS + 1):
        yield from step
        following = []
        for encoded, starts in step:
            for escapes in _ENCODINGS:
                decoded, places = _decoded(encoded, starts, escapes)
                if decoded not in seen:
                    seen.add(decoded)
                    following.append((decoded, places))
        step = following


def _decoded(text: str, starts: Sequence[int], escapes: re.Pattern[str]) -> tuple[str, Sequence[int]]:
    pieces: list[str] = []
    places: list[int] = []
    position = 0
    for match in escapes.finditer(text):
        before, after = match.span()
        character = _unescaped(match[0])
        pieces += text[position:before], character
        places += starts[position:before]
        places += [starts[before]] * len(character)
        position = after
    if not pieces:
        return text, starts
    pieces.append(text[position:])
    places += starts[position:]
    return "".join(pieces), places


def _unescaped(escape: str) -> str:
    match escape[0]:
        case "\ufffd":
            return ""
        case "%":
            return chr(int(escape[1:], 16))
        case "&":
            return unescape(escape)
    if escape[1] in "ux":
        return chr(int(escape[2:], 16))
    return _CONTROL.get(escape[1], escape[1])
