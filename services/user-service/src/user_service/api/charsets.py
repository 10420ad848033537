"""A body in the charset that its client declares, as UTF-8."""

import codecs
from collections.abc import AsyncIterator

from user_service.domain.errors import ImportFormatError

UTF_8 = "utf-8"
CHARSETS = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), UTF_8),
    **{name: name for name in ("utf-16", "utf-16le", "utf-16be", "iso-8859-15")},
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
    # As browsers and spreadsheets have it (WHATWG Encoding): what calls itself Latin-1 is Windows-1252.
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "cp1252"), "cp1252"),
}
"""The codec of each charset that is taken, by its name in lower case."""

_MARKS = {codecs.BOM_UTF16_LE: "utf-16le", codecs.BOM_UTF16_BE: "utf-16be"}
_INVALID = "almanac-invalid"
# Becomes a byte that is not UTF-8, so that the line it is in is refused and no other.
codecs.register_error(_INVALID, lambda error: ("\udcff", error.end) if isinstance(error, UnicodeDecodeError) else _no())


def _no() -> tuple[str, int]:
    raise AssertionError("used for decoding alone")


async def as_utf8(stream: AsyncIterator[bytes], charset: str | None) -> AsyncIterator[bytes]:
    """Yield the body in UTF-8; bytes that are not of the charset become bytes that are not UTF-8.

    Without a declared charset, and with ``utf-16``, a byte order mark identifies UTF-16; otherwise undeclared is UTF-8.

    Raises:
        ImportFormatError: the charset is not known, or ``utf-16`` is declared and there is no byte order mark.
    """
    codec = UTF_8 if charset is None else CHARSETS.get(charset.lower())
    if codec is None:
        raise ImportFormatError(f"the charset must be one of {', '.join(CHARSETS)}")
    start = b""
    if charset is None or codec == "utf-16":
        async for part in stream:
            start += part
            if len(start) >= 2:
                break
        codec = _MARKS.get(start[:2], codec)
        if codec == "utf-16":
            if start:
                raise ImportFormatError("utf-16 needs a byte order mark; without one, declare utf-16le or utf-16be")
            return
    if codec == UTF_8:
        if start:
            yield start
        async for part in stream:
            yield part
        return
    decoder = codecs.getincrementaldecoder(codec)(_INVALID)
    yield _encoded(decoder.decode(start))
    async for part in stream:
        yield _encoded(decoder.decode(part))
    yield _encoded(decoder.decode(b"", final=True))


def _encoded(text: str) -> bytes:
    return text.encode(UTF_8, "surrogateescape")
