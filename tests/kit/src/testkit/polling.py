"""Waiting for a state, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

# A wait ends as soon as its condition holds, so a long deadline costs time only if the code is wrong. It
# must hold on two cores with a load of 15.
DEADLINE_SECONDS = 90.0


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]], timeout: float = DEADLINE_SECONDS, interval: float = 0.02
) -> T: ...


@overload
async def eventually(predicate: Callable[[], T], timeout: float = DEADLINE_SECONDS, interval: float = 0.02) -> T: ...


async def eventually(
    predicate: Callable[[], object], timeout: float = DEADLINE_SECONDS, interval: float = 0.02
) -> object:
    """Call `predicate` (plain or async) until it returns something truthy, and return that.

    Raises AssertionError with the last value after `timeout` seconds. An exception of the predicate passes through.
    """
    deadline = time.monotonic() + timeout
    while True:
        outcome = predicate()
        value = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {timeout:g} s; the last value was {value!r}")
        await asyncio.sleep(interval)
