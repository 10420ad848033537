"""`python -m bench.delivery.isolation`: the effect of failing endpoints, and of a flood of LOW, on other deliveries.

A healthy endpoint gets events at an even rate, alone and beside hanging endpoints (30 s until each attempt times out),
which all got three events just before and get one more every ten seconds. Then it gets as many events as it can take.
The curve is its latency and its rate against the number of hanging endpoints.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import text

from bench.delivery.flood import flooded
from bench.delivery.hanging import Hanging
from bench.delivery.worker import add_endpoint, arrivals, running_pool, service_database
from bench.measure import Summary, machine, peak_rss, report
from bench.postgres import Cluster, cluster
from bench.sink import Sink
from chassis.database.database import Database
from contracts.vocabulary import Priority
from delivery_service.adapters.open_files import raise_open_files
from delivery_service.application.pool import DeliveryPool
from local_stack import ports

SLOTS = 50
BATCH = 5
HANGING = (0, 60, 200, 1_000)
HANGING_FROM = 5_000_000
BURST_FROM = 1_000_000
FIRST_EVENTS = 3
EVENT_EVERY_SECONDS = 10.0
_OPEN = text("SELECT count(*) FROM circuits WHERE state <> 'CLOSED'")


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve: the healthy endpoint beside this many hanging ones.

    ``per_second`` is its rate with as many events as it can take; ``rss`` in bytes, of this process, at most so far.
    """

    hanging: int
    latency: Summary
    per_second: float
    opened: int
    rss: int


async def main(seconds: float, rate: float, burst: int, flood: int, counts: Sequence[int]) -> None:
    """Run all scenes and print."""
    print(machine())
    raise_open_files(10_000)
    async with cluster() as postgres, Sink() as sink, Hanging() as hanging:
        curve = [await _beside(postgres, sink, hanging.url, count, seconds, rate, burst) for count in counts]
        alone = await _troubled(postgres, sink, (), seconds, rate)
        broken = (hanging.url, f"http://127.0.0.1:{ports.free_port()}/")
        beside = await _troubled(postgres, sink, broken, seconds, rate)
        scene = await flooded(postgres, sink, flood) if flood else None
    report(
        "a healthy endpoint beside hanging ones: ms from arrival to receipt",
        ("hanging", "count", "p50", "p95", "p99", "worst", "per second", "circuits open", "MiB"),
        (
            (
                str(each.hanging),
                each.latency.count,
                *(1000 * x for x in (each.latency.p50, each.latency.p95, each.latency.p99, each.latency.worst)),
                each.per_second,
                each.opened,
                each.rss / 2**20,
            )
            for each in curve
        ),
    )
    rows = [("healthy alone", alone), ("healthy beside hanging and refusing", beside)]
    if scene is not None:
        rows.append(("critical in a flood", scene.critical))
    report(
        "isolation: ms from arrival to receipt",
        ("deliveries", "count", "p50", "p95", "p99", "worst"),
        ((name, s.count, *(1000 * x for x in (s.p50, s.p95, s.p99, s.worst))) for name, s in rows),
    )
    most = curve[-1]
    print(
        f"beside {most.hanging} hanging endpoints: p99 {1000 * most.latency.p99:.0f} ms, "
        f"{most.per_second / curve[0].per_second:.2f} of the rate alone"
    )
    if scene is not None:
        print(f"of {flood} messages of LOW {scene.left} still waited when the last critical event was recorded")
        critical = 1000 * scene.critical.p99
        print(f"isolation: healthy p99 {beside.p99 / alone.p99:.2f} of alone; critical p99 {critical:.0f} ms")


async def _beside(
    postgres: Cluster, sink: Sink, url: str, count: int, seconds: float, rate: float, burst: int
) -> Point:
    """The healthy endpoint's own events, while hanging endpoints have theirs."""
    await sink.reset()
    async with _database(postgres) as database:
        await add_endpoint(database, sink.url, tags=("healthy",))
        for _ in range(count):
            await add_endpoint(database, url, tags=("hanging",))
        async with running_pool(database, Priority.CRITICAL, slots=SLOTS) as pool:
            beginning = FIRST_EVENTS if count else 0
            await _ingest(pool, range(HANGING_FROM, HANGING_FROM + beginning), "hanging")
            trickle = asyncio.create_task(_trickle(pool) if count else asyncio.sleep(0))
            sent = await _arrive(pool, range(int(seconds * rate)), rate, "healthy")
            await sink.wait_for(len(sent), 120)
            received = await sink.receipts()
            started = time.monotonic()
            for position in range(0, burst, 100):
                await pool.wait_for_room()
                await _ingest(pool, range(BURST_FROM + position, BURST_FROM + position + 100), "healthy")
            await sink.wait_for(len(sent) + burst, 300)
            per_second = burst / (time.monotonic() - started)
            trickle.cancel()
            async with database.read() as connection:
                opened: int = (await connection.execute(_OPEN)).scalar_one()
    latency = Summary.of([received[event_id] - at for event_id, at in sent.items()])
    return Point(count, latency, per_second, opened, peak_rss(os.getpid()))


async def _troubled(postgres: Cluster, sink: Sink, others: Sequence[str], seconds: float, rate: float) -> Summary:
    """Events to a healthy endpoint, and each of them to `others` too."""
    await sink.reset()
    async with _database(postgres) as database:
        for url in (sink.url, *others):
            await add_endpoint(database, url)
        async with running_pool(database, Priority.CRITICAL, slots=SLOTS) as pool:
            sent = await _arrive(pool, range(int(seconds * rate) // 4), rate)
            await sink.wait_for(len(sent), 60)
    received = await sink.receipts()
    return Summary.of([received[event_id] - at for event_id, at in sent.items()])


async def _trickle(pool: DeliveryPool) -> None:
    """One more event for all hanging endpoints, again and again."""
    index = HANGING_FROM + FIRST_EVENTS
    while True:
        await asyncio.sleep(EVENT_EVERY_SECONDS)
        await _ingest(pool, [index], "hanging")
        index += 1


async def _ingest(pool: DeliveryPool, indices: Sequence[int], *tags: str) -> list[str]:
    batch = [replace(each, tags=tags) for each in arrivals(indices, Priority.CRITICAL)]
    if batch:
        await pool.ingest(batch)
    return [str(each.event_id) for each in batch]


async def _arrive(pool: DeliveryPool, indices: Sequence[int], rate: float, *tags: str) -> dict[str, float]:
    """Take events in at an even rate, a few at a time. Returns when each arrived, by id."""
    sent: dict[str, float] = {}
    started = time.monotonic()
    for position in range(0, len(indices), BATCH):
        await asyncio.sleep(max(0.0, started + position / rate - time.monotonic()))
        # Counted from when it was due, not from when a process that was late got to it.
        due_at = min(time.time(), time.time() - time.monotonic() + started + position / rate)
        await pool.wait_for_room()
        sent.update(dict.fromkeys(await _ingest(pool, indices[position : position + BATCH], *tags), due_at))
    return sent


@asynccontextmanager
async def _database(postgres: Cluster) -> AsyncIterator[Database]:
    async with service_database(await postgres.server.create_database("isolation")) as database:
        yield database
    await postgres.server.drop_database("isolation")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=40.0, help="of events to the healthy one (default: 40)")
    arguments.add_argument("--rate", type=float, default=100.0, help="of them a second (default: 100)")
    arguments.add_argument("--burst", type=int, default=2_000, help="events at once afterwards (default: 2000)")
    arguments.add_argument(
        "--flood", type=int, default=20_000, help="messages of LOW that wait; 0: none (default: 20000)"
    )
    arguments.add_argument(
        "--hanging", type=int, nargs="+", default=HANGING, help="hanging endpoints (default: 0 60 200 1000)"
    )
    parsed = arguments.parse_args()
    asyncio.run(main(parsed.seconds, parsed.rate, parsed.burst, parsed.flood, parsed.hanging))
