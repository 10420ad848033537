"""A body that is read as lines: whatever its pieces, the same lines, and any mark leads back to its place."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.requests import ClientDisconnect

from chassis.imports.errors import ImportInterruptedError
from chassis.imports.jobs import Mark
from chassis.imports.lines import BATCH_LINES, MAX_LINE_BYTES, LineReader, Lines

_bodies = some.lists(
    some.one_of(
        some.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")),
        some.sampled_from([b"", b"\r", b"x" * MAX_LINE_BYTES, b"y" * (MAX_LINE_BYTES + 1), b"z" * 3 * MAX_LINE_BYTES]),
    ),
    max_size=12,
).map(b"\n".join)


async def _pieces(body: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    for start, end in pairwise([0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]):
        yield body[start:end]


def _expected(body: bytes) -> list[bytes | None]:
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [None if len(line) > MAX_LINE_BYTES else line.removesuffix(b"\r") for line in lines]


async def _read(reader: LineReader[Mark]) -> list[Lines[Mark]]:
    return [batch async for batch in reader.batches()]


@given(_bodies, some.lists(some.integers(0, 2**20), max_size=8))
def test_the_pieces_of_a_stream_make_no_difference(body: bytes, cuts: list[int]) -> None:
    batches = asyncio.run(_read(LineReader(_pieces(body, cuts), Mark)))
    expected = _expected(body.removeprefix(b"\xef\xbb\xbf"))
    assert [line for batch in batches for line in batch.lines] == expected
    assert all(batch.first + len(batch.lines) - 1 == batch.mark.line for batch in batches)
    if batches:
        assert (batches[-1].mark.line, batches[-1].mark.position) == (len(expected), len(body))


@given(_bodies, some.lists(some.integers(0, 2**20), max_size=8), some.lists(some.integers(0, 2**20), max_size=8))
def test_from_each_mark_the_rest_can_be_read(body: bytes, cuts: list[int], again: list[int]) -> None:
    async def check() -> None:
        batches = await _read(LineReader(_pieces(body, cuts), Mark))
        for number, batch in enumerate(batches, 1):
            reader = LineReader(_pieces(body, again), Mark)
            assert await reader.skip_to(batch.mark)
            rest = [line for later in await _read(reader) for line in later.lines]
            assert rest == [line for later in batches[number:] for line in later.lines]

    asyncio.run(check())


@given(some.binary(min_size=1, max_size=200), some.integers(0, 2**20), some.integers(1, 255))
def test_different_body_is_distinguished_from_the_previous_one(body: bytes, place: int, change: int) -> None:
    async def check() -> None:
        [*_, last] = await _read(LineReader(_pieces(body, []), Mark))
        changed = place % len(body)
        other = body[:changed] + bytes([body[changed] ^ change]) + body[changed + 1 :]
        for wrong in (other, body[:-1]):
            assert not await LineReader(_pieces(wrong, []), Mark).skip_to(last.mark)

    asyncio.run(check())


async def test_the_first_line_can_be_read_ahead() -> None:
    for cuts in ([], [1], [3, 4, 5], list(range(12))):
        reader = LineReader(_pieces(b"\xef\xbb\xbfa,b\r\n1,2\n", cuts), Mark)
        assert await reader.first() == b"a,b"
        [batch] = await _read(reader)
        assert (batch.first, batch.lines, batch.mark.line) == (2, [b"1,2"], 2)
    assert await LineReader(_pieces(b"", []), Mark).first() == b""
    assert await LineReader(_pieces(b"a", []), Mark).first() == b"a"
    assert await LineReader(_pieces(b"a" * (MAX_LINE_BYTES + 1) + b"\n", [7]), Mark).first() is None


async def test_a_mark_before_anything_was_read_leaves_out_nothing() -> None:
    reader = LineReader(_pieces(b"a\nb\n", []), Mark)
    assert await reader.first() == b"a"
    assert await reader.skip_to(Mark())
    assert [batch.lines for batch in await _read(reader)] == [[b"b"]]


async def test_many_lines_come_in_small_batches() -> None:
    batches = await _read(LineReader(_pieces(b"x\n" * 1000, []), Mark))
    assert {len(batch.lines) for batch in batches} == {BATCH_LINES}


async def test_a_client_that_goes_away_interrupts() -> None:
    async def cut_off() -> AsyncIterator[bytes]:
        yield b"a\nb"
        raise ClientDisconnect

    reader = LineReader(cut_off(), Mark)
    seen: list[bytes | None] = []
    with pytest.raises(ImportInterruptedError, match="closed"):
        async for batch in reader.batches():
            seen += batch.lines
    assert seen == [b"a"]


async def test_a_body_that_stops_coming_interrupts() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"a\n"
        await asyncio.Event().wait()

    reader = LineReader(stalled(), Mark, idle_seconds=0.01)
    assert await reader.first() == b"a"
    with pytest.raises(ImportInterruptedError, match=r"0\.01 s"):
        await _read(reader)
