"""The lines of an import in a file, so that the same bytes can be sent again when an import was interrupted."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from almanac_cli.migrate.lines import LineError, encode
from almanac_cli.migrate.source import Row

PART = 256 * 1024
"""Bytes that are read, and sent, at once."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that became no line."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Spool:
    """A written file. ``keys`` are those of its lines, in their order."""

    path: Path
    lines: int
    size: int
    digest: str
    left_out: tuple[LeftOut, ...]

    def parts(self, sent: Callable[[int], None]) -> "Parts":
        return Parts(self.path, sent)

    def key_of(self, kind: str) -> str:
        """The import's Idempotency-Key: a new one, or that of an import of the same bytes that was not completed."""
        if self._key_file.exists():
            digest, _, key = self._key_file.read_text().partition(" ")
            if digest == self.digest:
                return key
        key = f"almanac-migrate-{kind}-{uuid4()}"
        self._key_file.write_text(f"{self.digest} {key}")
        return key

    def completed(self, *, keep: bool) -> None:
        """Delete the key, and the lines unless they are to be kept: the next import is another one."""
        self._key_file.unlink(missing_ok=True)
        if not keep:
            self.path.unlink(missing_ok=True)

    @property
    def _key_file(self) -> Path:
        return self.path.with_suffix(".key")

    def line(self, number: int) -> bytes:
        """A line by its number, from 1."""
        with self.path.open("rb") as file:
            for place, line in enumerate(file, 1):
                if place == number:
                    return line
        return b""


@dataclass(frozen=True, slots=True)
class Parts:
    """The file's bytes, as a request sends them; ``sent`` receives the number of lines sent."""

    path: Path
    sent: Callable[[int], None]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        done = 0
        with self.path.open("rb") as file:
            while part := file.read(PART):
                yield part
                done += len(part)
                self.sent(done)


def _make_private(path: Path) -> None:
    # It holds personal data.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


async def write_spool(
    path: Path,
    rows: AsyncIterator[Row],
    line_of: Callable[[Row], Mapping[str, Any] | None],
    key_name: str,
    progress: Callable[[int], None] = lambda _: None,
) -> Spool:
    """Write a line for each row. ``line_of`` returns None for a row that is not to go, and raises LineError."""
    _make_private(path)
    digest, lines, size, read = hashlib.sha256(), 0, 0, 0
    left_out: list[LeftOut] = []
    with path.open("wb") as file:
        async for row in rows:
            read += 1
            try:
                line = line_of(row)
            except LineError as error:
                left_out.append(LeftOut(str(row.get(key_name)), str(error)))
                continue
            if line is not None:
                data = encode(line)
                file.write(data)
                digest.update(data)
                lines, size = lines + 1, size + len(data)
            if read % 1_000 == 0:
                progress(read)
    progress(read)
    return Spool(path, lines, size, digest.hexdigest(), tuple(left_out))
