"""Who goes first among the priorities of one process."""

import asyncio

import pytest

from event_service.application.scheduler import Precedence
from testkit.polling import DEADLINE_SECONDS


async def _wait(*turns: "asyncio.Task[None]") -> bool:
    """Whether all of them still wait after a time in which an unblocked one would have run."""
    done, _ = await asyncio.wait(turns, timeout=0.05)
    return not done


async def test_the_less_urgent_wait_until_all_that_is_more_urgent_has_left() -> None:
    precedence = Precedence(patience_seconds=60)
    await precedence.turn(0)
    high, low = (asyncio.create_task(precedence.turn(priority)) for priority in (1, 3))
    assert await _wait(high, low)
    precedence.leave(0)
    await asyncio.wait_for(high, DEADLINE_SECONDS)
    assert await _wait(low)
    precedence.leave(1)
    await asyncio.wait_for(low, DEADLINE_SECONDS)


async def test_the_most_urgent_never_waits() -> None:
    precedence = Precedence(patience_seconds=60)
    for priority in (3, 2, 1, 0):
        await asyncio.wait_for(precedence.turn(priority), DEADLINE_SECONDS)


async def test_between_two_batches_the_more_urgent_keeps_its_place() -> None:
    precedence = Precedence(patience_seconds=60)
    await precedence.turn(0)
    low = asyncio.create_task(precedence.turn(3))
    await precedence.turn(0)
    assert await _wait(low)
    precedence.leave(0)
    await asyncio.wait_for(low, DEADLINE_SECONDS)


@pytest.mark.parametrize("waiting", [1, 2, 3])
async def test_waiting_for_a_higher_priority_ends(waiting: int) -> None:
    precedence = Precedence(patience_seconds=0.01)
    await precedence.turn(0)
    await asyncio.wait_for(precedence.turn(waiting), DEADLINE_SECONDS)
