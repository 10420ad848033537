"""Answers that a receiver may give, from a grammar with mutations: valid, old-fashioned, broken and hostile ones.

An answer is made of a seed alone, so that a violation is repeated by its seed.
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from urllib.parse import quote

FORGED = b"HTTP/1.1 298 Forged\r\nContent-Length: 6\r\n\r\nforged"
"""What is written where nothing was asked; no attempt may ever show it."""
# 410 would switch the endpoint off.
_STATUSES = (*(200, 201, 202, 204, 299) * 4, 301, 302, 304, 400, 404, 408, 425, 429, 500, 502, 503, 599, 600, 999)
_RETRY_AFTER = (
    b"0", b"120", b" 7 ", b"soon", b"-5", b"1.5", b"", b"1 Jan 99999999999 0:0:0 GMT", b"1 Jan 0:0:0 " + 5_000 * b"9",
    b"Jan 0 1:1 99999999999", b"Fri, 31 Dec 9999 23:59:59 -2359", b"Mon, 23 Nov 2026 14:00:00 GMT", 70 * b"9",
)  # fmt: skip
_NAMES = (b"Server", b"Date", b"Content-Type", b"Location", b"Via", b"X-Request-Id", b"Set-Cookie", b"WWW-Authenticate")


class End(Enum):
    """The state of the connection after a response."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    HANG = auto()
    """Nothing more, until the other side gives up."""
    FORGE = auto()
    """A second, unsolicited response, a moment later."""


@dataclass(frozen=True)
class GeneratedAnswer:
    """What is written, piece by piece, and what an attempt must record of it.

    ``status`` is the HTTP status that counts where the answer arrives whole; None where anything may be made of it.
    ``silent``: nothing is written, so that a request over a kept connection may come once more.
    """

    pieces: Sequence[bytes]
    end: End
    status: int | None

    @property
    def silent(self) -> bool:
        return not any(self.pieces)


def generate(seed: str, secret: str) -> GeneratedAnswer:
    """The answer of a seed. `secret` is what it may repeat of the request."""
    random = Random(seed)
    if random.random() < 0.04:
        return GeneratedAnswer((), random.choice((End.CLOSE, End.RESET)), None)
    content, status, framed = _answer(random, secret)
    expected: int | None = status
    end = random.choices((End.KEEP, End.CLOSE, End.FORGE, End.RESET), (70, 15, 10, 5))[0]
    if not framed and end in (End.KEEP, End.FORGE):
        # Only its end marks the end of the body.
        end = End.CLOSE
    if random.random() < 0.003:
        end = End.HANG
    if random.random() < 0.15:
        content, expected = _mutated(random, content), None
        end = random.choice((End.CLOSE, End.CLOSE, End.RESET))
    if end is End.RESET:
        # What was on its way may go with the connection.
        expected = None
    return GeneratedAnswer(_pieces(random, content), end, expected)


def _answer(random: Random, secret: str) -> tuple[bytes, int, bool]:
    eol = random.choices((b"\r\n", b"\n"), (9, 1))[0]
    status = random.choice(_STATUSES)
    version = random.choices((b"1.1", b"1.0", b"2.0", b"1.2"), (90, 6, 2, 2))[0]
    reason = random.choice((b"", b" ", b" OK", b" \xc9xito", b" " + random.randbytes(20).translate(None, b"\r\n\0")))
    body = _body(random, secret)
    headers = [_header(random, secret) for _ in range(random.choice((0, 1, 2, 5, 20)))]
    if random.random() < 0.02:
        headers += [b"X-%d: %d" % (number, number) for number in range(random.choice((130, 600)))]
    framing, content, framed = _framed(random, body, status, version)
    headers += framing
    random.shuffle(headers)
    interim = b"".join(
        b"HTTP/1.1 %d Interim%s%s%s" % (random.choice((100, 102, 103)), eol, b"Link: <x>" + eol, eol)
        for _ in range(random.choice((0, 0, 0, 0, 1, 3)))
    )
    head = eol.join((b"HTTP/%s %03d%s" % (version, status, reason), *headers, b"", b""))
    return interim + head + content, status, framed


def _header(random: Random, secret: str) -> bytes:
    kind = random.random()
    if kind < 0.2:
        return b"Retry-After: " + random.choice(_RETRY_AFTER)
    name = random.choice(_NAMES)
    if kind < 0.3:
        return name + b": " + random.choice((secret, quote(secret, safe=""), json.dumps(secret))).encode()
    if kind < 0.35:
        return name + b": " + random.choice((9_000, 30_000)) * b"x"
    if kind < 0.4:
        return name + b": folded\r\n  over lines"
    if kind < 0.45:
        # Invalid, and the status still counts.
        return random.choice((b"no colon at all", b": no name", b"Bad Name: x", b"X: a\0b", b"\xff\xfe: x"))
    return name + b": " + random.randbytes(random.choice((1, 10, 100))).translate(None, b"\r\n")


def _body(random: Random, secret: str) -> bytes:
    kind = random.random()
    if kind < 0.2:
        return b""
    if kind < 0.35:
        return random.choice((secret, quote(secret, safe=""), json.dumps({"seen": secret}))).encode()
    if kind < 0.4:
        return gzip.compress(random.randbytes(10) * 1_000)
    if kind < 0.43:
        return random.randbytes(1_000) * 200
    return random.randbytes(random.choice((1, 50, 5_000)))


def _framed(random: Random, body: bytes, status: int, version: bytes) -> tuple[list[bytes], bytes, bool]:
    """Headers that frame a body, the body as it is written, and whether its end shows without the connection's."""
    kind = random.random()
    without_body = status in (204, 304)
    if kind < 0.45:
        return [b"Content-Length: %d" % len(body)], body, True
    if kind < 0.55:
        wrong = max(0, len(body) + random.choice((-5, -1, 1, 100)))
        return [b"Content-Length: %d" % wrong], body, wrong <= len(body) or without_body
    if kind < 0.6:
        value = random.choice((b"many", b"-1", b"", b"1, 1", b"99999999999999999999999", b"0x10"))
        return [b"Content-Length: " + value], body, False
    if kind < 0.65:
        return [b"Content-Length: 3", b"Content-Length: 3"], body, False
    if kind < 0.9:
        return [b"Transfer-Encoding: chunked"], _chunked(random, body), version in (b"1.1", b"1.2", b"2.0")
    if kind < 0.95:
        return [b"Transfer-Encoding: chunked", b"Content-Length: 5"], _chunked(random, body), False
    return [], body, without_body


def _chunked(random: Random, body: bytes) -> bytes:
    size = random.choice((1, 7, 100, 70_000)) if len(body) < 1_000 else 10_000
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    extension = random.choice((b"", b"", b";name=value", b" "))
    written = b"".join(b"%x%s\r\n%s\r\n" % (len(each), extension, each) for each in chunks)
    trailer = random.choice((b"", b"", b"Retry-After: 5\r\n"))
    endings = (b"0\r\n" + trailer + b"\r\n", b"ZZ\r\n", b"-1\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n")
    return written + random.choices(endings, (85, 5, 5, 5))[0]


def _mutated(random: Random, content: bytes) -> bytes:
    kind = random.random()
    if kind < 0.2:
        return random.randbytes(random.choice((1, 100, 10_000)))
    if kind < 0.3:
        return random.choice((11, 1_000)) * b"HTTP/1.1 102 Processing\r\n\r\n" + content
    if kind < 0.4:
        return b"HTTP/1.1 200 OK\r\nX-Long: " + 300_000 * b"x"
    changed = bytearray(content[: random.randrange(len(content) + 1)] if kind < 0.6 else content)
    for _ in range(random.choice((1, 3, 10))):
        if changed:
            position = random.randrange(min(len(changed), 200))
            changed[position : position + random.choice((0, 1, 1, 5))] = random.randbytes(random.choice((0, 1, 2)))
    return bytes(changed)


def _pieces(random: Random, content: bytes) -> Sequence[bytes]:
    cuts = sorted(random.randrange(len(content) + 1) for _ in range(random.choice((0, 0, 0, 1, 3))))
    return [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)]
