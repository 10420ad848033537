"""`python -m bench.delivery.isolation`: what endpoints in trouble, and a flood of LOW, do to the others' deliveries."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench.delivery.flood import flooded
from bench.delivery.worker import add_endpoint, arrivals, running_pool, service_database
from bench.measure import Summary, machine, report
from bench.postgres import Cluster, cluster
from bench.sink import Sink
from chassis.database import Database
from contracts.vocabulary import Priority
from delivery_service.application.pool import DeliveryPool
from local_stack import ports

SLOTS = 50
BATCH = 5


async def main(events: int, rate: float, flood: int) -> None:
    """Run the three scenes and print."""
    print(machine())
    async with cluster() as postgres, Sink() as sink, _hanging() as hanging:
        alone = await _troubled(postgres, sink, (), events, rate)
        beside = await _troubled(postgres, sink, (hanging, f"http://127.0.0.1:{ports.free_port()}/"), events, rate)
        scene = await flooded(postgres, sink, flood)
    critical = scene.critical
    rows = (
        ("healthy alone", alone),
        ("healthy beside hanging and refusing", beside),
        ("critical in a flood", critical),
    )
    report(
        "isolation: ms from arrival to receipt",
        ("deliveries", "count", "p50", "p95", "p99", "worst"),
        ((name, s.count, *(1000 * x for x in (s.p50, s.p95, s.p99, s.worst))) for name, s in rows),
    )
    print(f"of {flood} messages of LOW {scene.left} still waited when the last critical event was recorded")
    print(f"isolation: healthy p99 {beside.p99 / alone.p99:.2f} of alone; critical p99 {1000 * critical.p99:.0f} ms")


async def _troubled(postgres: Cluster, sink: Sink, others: Sequence[str], events: int, rate: float) -> Summary:
    """`events` to a healthy endpoint, and each of them to `others` too."""
    await sink.reset()
    async with _database(postgres) as database:
        for url in (sink.url, *others):
            await add_endpoint(database, url)
        async with running_pool(database, Priority.CRITICAL, slots=SLOTS) as pool:
            sent = await _arrive(pool, range(events), rate)
            await sink.wait_for(events, 60)
    return await _latencies(sink, sent)


async def _arrive(pool: DeliveryPool, indices: Sequence[int], rate: float) -> dict[str, float]:
    """Take events in at an even rate, a few at a time. Returns when each arrived, by id."""
    sent: dict[str, float] = {}
    started = time.monotonic()
    for position in range(0, len(indices), BATCH):
        await asyncio.sleep(max(0.0, started + position / rate - time.monotonic()))
        batch = arrivals(indices[position : position + BATCH], Priority.CRITICAL)
        sent.update((str(each.event_id), time.time()) for each in batch)
        await pool.wait_for_room()
        await pool.take_in(batch)
    return sent


async def _latencies(sink: Sink, sent: dict[str, float]) -> Summary:
    received = await sink.receipts()
    return Summary.of([received[event_id] - at for event_id, at in sent.items()])


@asynccontextmanager
async def _database(postgres: Cluster) -> AsyncIterator[Database]:
    async with service_database(await postgres.server.create_database("isolation")) as database:
        yield database
    await postgres.server.drop_database("isolation")


@asynccontextmanager
async def _hanging() -> AsyncIterator[str]:
    """An endpoint that takes connections and requests, and never answers."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        writer.close()

    port = ports.free_port()
    server = await asyncio.start_server(hang, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=1_000, help="events to the healthy endpoint (default: 1000)")
    arguments.add_argument("--rate", type=float, default=100.0, help="of them a second (default: 100)")
    arguments.add_argument("--flood", type=int, default=20_000, help="messages of LOW that wait (default: 20000)")
    parsed = arguments.parse_args()
    asyncio.run(main(parsed.n, parsed.rate, parsed.flood))
