"""Feeds: one process asks for what many tabs show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from almanac_client import NotReachableError
from console.data_sources import Poller
from testkit import eventually


@asynccontextmanager
async def _running(feed: Poller[int]) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(feed.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def test_feed_polls_only_while_a_page_is_open() -> None:
    asked, ticks = 0, 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    async def tick() -> int:
        nonlocal ticks
        ticks += 1
        return ticks

    feed, clock = (Poller(name, each, every_seconds=0.001) for name, each in (("numbers", ask), ("clock", tick)))
    async with _running(feed), _running(clock):
        assert asked == 0
        feed.watch()
        feed.watch()
        await eventually(lambda: asked > 3)
        feed.unwatch()
        before = asked
        await eventually(lambda: asked > before)
        feed.unwatch()
        last = asked + 1
        clock.watch()
        await eventually(lambda: ticks > 5)
        assert asked <= last, "one that was under way may end"
        assert feed.reading.value is not None


async def test_a_failure_keeps_the_last_value_and_says_why_it_is_old() -> None:
    fails = False

    async def ask() -> int:
        if fails:
            raise NotReachableError("event-service", "event-service does not answer")
        return 7

    feed = Poller("numbers", ask, every_seconds=1)
    assert (await feed.refresh()).error is None
    fails = True
    reading = await feed.refresh()
    assert (reading.value, reading.error) == (7, "event-service does not answer")
    assert reading.at is not None
    assert reading.age_seconds(reading.at + 12) == 12
    fails = False
    assert (await feed.refresh()).error is None


async def test_unanswered_poll_is_given_up_after_its_timeout() -> None:
    async def ask() -> int:
        await asyncio.Event().wait()
        return 1

    feed = Poller("numbers", ask, every_seconds=1, timeout_seconds=0.01)
    reading = await feed.refresh()
    assert (reading.value, reading.error) == (None, "no answer within 0.01 s")


async def test_unreadable_response_is_shown_and_does_not_end_the_feed() -> None:
    async def ask() -> int:
        raise KeyError("hours")

    assert (await Poller("numbers", ask, every_seconds=1).refresh()).error == "the answer cannot be read"
