"""`python -m bench.bus`: what the bus costs, in four tables; the last line is the rate through all three calls."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import uvloop

from bench.bus.calls import CHEAPEST, WAYS, Way, calls, clients
from bench.bus.phases import Cost, Phases
from bench.bus.route import provision
from bench.measure import machine, percentile, report
from local_stack import child, ports
from local_stack.child import Command
from local_stack.emulator import Emulator

COLUMNS = ("calls/s", "messages/s", "emulator CPU ms/message", "client CPU ms/message")
IN_FLIGHT = (1, 4, 8, 16)
RECEIVERS = (1, 4, 8)
ROUNDS = 3
DEPTHS = (100, 500, 1000, 5000)
WAITING = (100, 400, 2000, 8000)


class HypercornEmulator(Emulator):
    """The same emulator as it comes, served by hypercorn instead of uvicorn (uvloop, httptools)."""

    def command(self) -> Command:
        """The emulator's own command."""
        return replace(super().command(), argv=[sys.executable, "-m", "ministack"])


@asynccontextmanager
async def running(kind: type[Emulator]) -> AsyncIterator[tuple[str, int]]:
    """An emulator of that kind: its URL and process id."""
    with tempfile.TemporaryDirectory(prefix="almanac-bench-") as folder:
        emulator = kind(ports.free_port(), log=Path(folder) / "emulator.log")
        process = await asyncio.to_thread(child.start, emulator)
        try:
            yield emulator.url, process.pid
        finally:
            await asyncio.to_thread(process.stop, 10)


@asynccontextmanager
async def phases(endpoint: str, pid: int, way: Way) -> AsyncIterator[Phases]:
    """The phases over a route of their own, called `way`, after a short warm-up."""
    async with clients(endpoint, WAYS[0]) as (sns, sqs):
        route = await provision(sns, sqs, f"bench-{uuid.uuid4().hex[:8]}")
    async with calls(endpoint, way) as each:
        ready = Phases(each, route, pid)
        await ready.publish(100, 4)
        await ready.drain(route.queues, 100, 1, Cost())
        yield ready


async def compare_ways(endpoint: str, pid: int, messages: int) -> None:
    """Table: what each way to call costs the client; medians of rounds that take the ways in turn."""
    costs: dict[str, list[tuple[float, float, float]]] = {way.name: [] for way in WAYS}
    for way in WAYS * ROUNDS:
        async with phases(endpoint, pid, way) as bench:
            published = await bench.publish(messages, 8)
            drained = Cost()
            await bench.drain(bench.route.queues, messages, 2, drained)
        costs[way.name].append((published.client, drained.client, published.emulator + drained.emulator))
    report(
        "ways to call (each adds to the one above)",
        ("way", "publish: client ms/message", "receive+delete: client ms/message", "emulator ms/message"),
        (
            (name, *(1000 * percentile(column, 0.5) / messages for column in zip(*rounds, strict=True)))
            for name, rounds in costs.items()
        ),
    )


async def main(messages: int) -> None:
    """Run all phases and print."""
    print(machine())
    async with running(Emulator) as (endpoint, pid):
        await compare_ways(endpoint, pid, messages)
        async with phases(endpoint, pid, CHEAPEST) as bench:
            published = []
            for in_flight in IN_FLIGHT:
                published.append((f"{in_flight} in flight", *(await bench.publish(messages, in_flight)).row))
                await bench.drain(bench.route.queues, messages, 2, Cost())
            report("PublishBatch of 10 to one of four filtered queues", ("publish", *COLUMNS), published)
            report(
                "ReceiveMessage(10) + DeleteMessageBatch(10) from one queue",
                ("depth, receivers", *COLUMNS),
                [
                    (f"{depth}, {receivers}", *(await bench.drain_at(depth, messages // 2, receivers)).row)
                    for depth in DEPTHS
                    for receivers in RECEIVERS
                ],
            )
    rows: list[tuple[str, float, float, float, float]] = []
    for kind, name in ((HypercornEmulator, "hypercorn"), (Emulator, "uvicorn")):
        async with running(kind) as (endpoint, pid), phases(endpoint, pid, CHEAPEST) as bench:
            for waiting in WAITING:
                cost = await bench.through(2 * messages, waiting, in_flight=4, receivers=2)
                rows.append((f"{name}, {waiting} waiting", *cost.row))
    report("all at once: 4 publishers, 2 receivers for each of four queues", ("emulator under", *COLUMNS), rows)
    # As the one-machine stack runs it, with queues as short as the scheduler keeps them.
    print(f"bus: {rows[WAITING.index(400)][2]:.0f} messages/s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=2000, help="messages a measurement (default: 2000)")
    uvloop.run(main(arguments.parse_args().messages))
