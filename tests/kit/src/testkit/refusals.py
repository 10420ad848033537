"""Requests that an API must refuse at little cost, however large they are."""

import gc
import json
import time
from typing import Any

import httpx

MAX_ANSWER_BYTES = 10_000
MAX_CPU_SECONDS = 0.15
"""A quiet machine needs 5 to 30 ms, the client's part included. CPU time, not the clock: other tests run beside."""

TOO_MANY = 250_000


async def refused_cheaply(client: httpx.AsyncClient, method: str, path: str, content: str) -> list[dict[str, str]]:
    """Send a JSON body that is not valid and return its faults.

    ``client`` serves the application in this thread, so that its CPU time is what the event loop was held up for.
    Raises:
        AssertionError: the answer is no 422, longer than 10 kB, has more than 10 faults, or took too long to make.
    """
    # As in a service, see chassis.core.gc_tuning: all that the test session has loaded would be looked at for cycles.
    gc.freeze()
    begun = time.thread_time()
    answer = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
    taken = time.thread_time() - begun
    gc.unfreeze()
    if answer.status_code != 422:
        raise AssertionError(f"{answer.status_code}: {answer.text[:2000]}")
    faults: list[dict[str, Any]] = answer.json()["errors"]
    if len(answer.content) > MAX_ANSWER_BYTES or len(faults) > 10 or taken > MAX_CPU_SECONDS:
        raise AssertionError(f"{len(answer.content)} bytes, {len(faults)} faults, {taken:.3f} s of CPU time")
    return faults


def long_list(item: str, count: int = TOO_MANY) -> str:
    """Return the JSON of a list with ``count`` times the same item."""
    return f"[{','.join([item] * count)}]"


def unknown_fields(count: int = 80_000) -> str:
    """Return the JSON of an object with that many fields, which no resource has."""
    return json.dumps({f"k{number}": 0 for number in range(count)}, separators=(",", ":"))
