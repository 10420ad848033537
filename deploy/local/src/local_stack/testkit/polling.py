"""Waiting for a state, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], timeout: float = 10, interval: float = 0.02) -> T: ...


@overload
async def eventually(predicate: Callable[[], T], timeout: float = 10, interval: float = 0.02) -> T: ...


async def eventually(predicate: Callable[[], object], timeout: float = 10, interval: float = 0.02) -> object:
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
