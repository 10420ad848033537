"""Who goes first among the priorities of one process."""

import asyncio

import pytest

from event_service.application.scheduler import Precedence


async def _goes_on(*turns: "asyncio.Task[None]") -> list[bool]:
    for _ in range(3):
        await asyncio.sleep(0)
    return [turn.done() for turn in turns]


async def test_the_less_urgent_wait_until_all_that_is_more_urgent_has_left() -> None:
    precedence = Precedence(patience_seconds=60)
    await precedence.turn(0)
    high, low = (asyncio.create_task(precedence.turn(priority)) for priority in (1, 3))
    assert await _goes_on(high, low) == [False, False]
    precedence.leave(0)
    assert await _goes_on(high, low) == [True, False]
    precedence.leave(1)
    assert await _goes_on(high, low) == [True, True]


async def test_the_most_urgent_never_waits() -> None:
    precedence = Precedence(patience_seconds=60)
    for priority in (3, 2, 1, 0):
        await asyncio.wait_for(precedence.turn(priority), 1)


async def test_between_two_batches_the_more_urgent_keeps_its_place() -> None:
    precedence = Precedence(patience_seconds=60)
    await precedence.turn(0)
    low = asyncio.create_task(precedence.turn(3))
    await precedence.turn(0)
    assert await _goes_on(low) == [False]
    precedence.leave(0)
    await asyncio.wait_for(low, 1)


@pytest.mark.parametrize("waiting", [1, 2, 3])
async def test_patience_ends(waiting: int) -> None:
    precedence = Precedence(patience_seconds=0.01)
    await precedence.turn(0)
    await asyncio.wait_for(precedence.turn(waiting), 1)
