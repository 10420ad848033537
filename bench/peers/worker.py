"""The child side of a peer: fill the queue, report it, process it on command, and report its cost.

On standard output: one line `ready` when the jobs are in, then one JSON line when all are done. On standard input: one
line that starts the work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import uvloop

# Concurrent jobs, and so HTTP connections: enough to keep one core busy, for every peer alike.
IN_FLIGHT = 100
INSERT_BATCH = 1000

Drain = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a peer is to do: POST webhooks 0 … count − 1 to `url`, by way of a queue in the empty database at `dsn`."""

    dsn: str
    url: str
    count: int


async def work(order: Order, prepare: Callable[[Order], AbstractAsyncContextManager[Drain]]) -> None:
    """Fill the queue by entering `prepare`, wait for the command, drain, report."""
    async with prepare(order) as drain:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cpu, started = time.process_time(), time.time()
        await drain()
        print(
            json.dumps({"startedAt": started, "endedAt": time.time(), "cpuSeconds": time.process_time() - cpu}),
            flush=True,
        )


def main(prepare: Callable[[Order], AbstractAsyncContextManager[Drain]]) -> None:
    """A peer's command line."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dsn", required=True)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--count", type=int, required=True)
    uvloop.run(work(Order(**vars(arguments.parse_args())), prepare))
