"""A body that is read as lines, in constant memory and from any place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect

from chassis.imports.errors import ImportInterruptedError, ImportStoppedError

MAX_LINE_BYTES = 64 * 1024
BATCH_LINES = 25
"""Lines that are worked on before others get their turn on the event loop: a millisecond."""
IDLE_SECONDS = 60.0
"""How long a body may stop coming before it is given up."""

_STOPPED = "this process stops: send the same request again, and it continues after the last committed lines"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Position(Protocol):
    """How far a body was read: whole lines, their bytes, and the SHA-256 of those, by which the body is known again."""

    @property
    def line(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def digest(self) -> bytes: ...


M = TypeVar("M", bound=Position)


@dataclass(frozen=True, slots=True)
class Lines(Generic[M]):
    """Consecutive lines without their ends, from line number ``first`` on; None is one that is too long."""

    first: int
    lines: list[bytes | None]
    mark: M


class LineReader(Generic[M]):
    """Reads a stream of bytes, whatever its pieces, and knows how far: lines, bytes, and the digest of those bytes.

    ``mark`` makes a service's own mark of those.

    Every method raises ImportInterruptedError where the client has gone or nothing has come for IDLE_SECONDS, and
    ImportStoppedError after :meth:`stop`.
    """

    def __init__(
        self, stream: AsyncIterator[bytes], mark: Callable[[int, int, bytes], M], *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._mark = mark
        self._stream = stream
        self._idle = idle_seconds
        self._rest = b""
        self._line = 0
        self._position = 0
        self._digest = sha256()
        self._stopped = False
        self._waiting: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Have whatever reads, now or next, raise ImportStoppedError."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def first(self) -> bytes | None:
        """The first line, or None where it is too long. Empty where there is nothing."""
        while (end := self._rest.find(b"\n")) < 0 and len(self._rest) <= MAX_LINE_BYTES:
            if not (data := await self._read()):
                break
            self._rest += data
        line, taken = (self._rest, len(self._rest)) if end < 0 else (self._rest[:end], end + 1)
        self._take(memoryview(self._rest)[:taken])
        self._rest = self._rest[taken:]
        self._line = 1
        return _clean(line, number=1)

    async def skip_to(self, mark: Position) -> bool:
        """Leave out what is before ``mark``. False where that is not what it was when the mark was made."""
        if mark.position == 0:
            return True
        while self._position < mark.position:
            data = self._rest or await self._read()
            if not data:
                return False
            taken = min(len(data), mark.position - self._position)
            self._take(memoryview(data)[:taken])
            self._rest = data[taken:]
        self._line = mark.line
        return self._digest.digest() == mark.digest

    async def batches(self) -> AsyncIterator[Lines[M]]:
        """The rest of the body."""
        rest, overlong, ended = self._rest, False, False
        while not ended:
            data = await self._read()
            ended = not data
            buffer = rest + data
            lines = buffer.split(b"\n")
            rest = lines.pop()
            if ended and (rest or overlong):
                lines.append(rest)
            view, offset = memoryview(buffer), 0
            for start in range(0, len(lines), BATCH_LINES):
                part = lines[start : start + BATCH_LINES]
                end = min(len(buffer), offset + sum(map(len, part)) + len(part))
                self._take(view[offset:end])
                offset = end
                first = self._line + 1
                self._line += len(part)
                cleaned = [_clean(line, number) for number, line in enumerate(part, first)]
                if overlong:
                    cleaned[0], overlong = None, False
                yield Lines(first, cleaned, self._mark(self._line, self._position, self._digest.digest()))
                await asyncio.sleep(0)
                if self._stopped:
                    raise ImportStoppedError(_STOPPED)
            if not ended and len(rest) > MAX_LINE_BYTES:
                # What a line has too much is not kept.
                self._take(memoryview(rest))
                rest, overlong = b"", True

    def _take(self, data: memoryview) -> None:
        self._digest.update(data)
        self._position += len(data)

    async def _read(self) -> bytes:
        if self._stopped:
            raise ImportStoppedError(_STOPPED)
        try:
            async with asyncio.timeout(self._idle) as self._waiting:
                with suppress(StopAsyncIteration):
                    while not (data := await anext(self._stream)):
                        pass
                    return data
        except ClientDisconnect as error:
            raise ImportInterruptedError("the connection was closed before the body had come") from error
        except TimeoutError as error:
            if self._stopped:
                raise ImportStoppedError(_STOPPED) from None
            raise ImportInterruptedError(f"nothing of the body came for {self._idle:g} s") from error
        finally:
            self._waiting = None
        return b""


def _clean(line: bytes, number: int) -> bytes | None:
    if len(line) > MAX_LINE_BYTES:
        return None
    line = line.removesuffix(b"\r")
    return line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
