"""A broadcast to N recipients: `python -m bench.broadcast --n 200000`.

The service's own loop processes one broadcast to all users, at a local time, until it is scheduled, then cancels it.
The last line gives how many recipients a second became events, notices in the outbox included.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import uvloop
from pydantic import SecretStr

from bench.imports import ZONES
from bench.measure import CpuMeter, machine, report
from bench.postgres import cluster, vacuum
from chassis.database.clock import Clock, ClockMap, ManualClock, write_clock_map
from chassis.database.database import Database
from chassis.database.migrations import upgrade
from chassis.messaging.outbox import Outbox
from event_service.adapters import broadcasts as stored
from event_service.adapters.partitions import Partitions
from event_service.application.broadcasts import Broadcaster, cancel_broadcast, create_broadcast
from event_service.domain.broadcasts import Audience, BroadcastStatus, NewBroadcast
from event_service.main import SERVICE
from event_service.roles import rulebook
from event_service.settings import Settings
from local_stack.child import StartupError
from local_stack.postgres import PostgresServer

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
AT = datetime.fromisoformat("2027-03-14T09:00")

_FILL = """
INSERT INTO recipients (user_id, version, first_name, last_name, date_of_birth, timezone, delivery_time, anniversaries,
    tags, contact)
SELECT gen_random_uuid(), 1, 'Ada' || n, 'Lovelace', '1990-12-10', ($2::text[])[1 + n % cardinality($2::text[])],
    '09:00', '[]', '{vip}', '{"email": "ada.lovelace@example.org", "phone": null}'
FROM generate_series(1, $1::int) AS n
"""


class BroadcastError(Exception):
    """Not every user got an event, or not all were cancelled."""


@dataclass(frozen=True, slots=True)
class BroadcastResult:
    """Seconds until all had events, and until all were cancelled; CPU of the first, by process with its children."""

    recipients: int
    scheduled: float
    cancelled: float
    cpu: dict[str, float]

    @property
    def rate(self) -> float:
        return self.recipients / self.scheduled


async def run_broadcast(recipients: int, postgres: PostgresServer, pids: Mapping[str, int]) -> BroadcastResult:
    """Measure on a database of its own, and the CPU of the processes `pids`. Raises BroadcastError."""
    url = await postgres.create_database(f"broadcast-{uuid4()}")
    await upgrade(url, SERVICE.migrations)
    connection = await asyncpg.connect(url)
    await connection.execute(_FILL, recipients, list(ZONES))
    await connection.close()
    await vacuum(url)
    settings = Settings(database_url=SecretStr(url))
    database, outbox, clock = Database(url, pool_size=2), Outbox(backlog_limit=sys.maxsize), ManualClock(NOW)
    try:
        async with database.transaction() as tx:
            await write_clock_map(tx, ClockMap(NOW, NOW, speed=0))
        broadcaster = _broadcaster(database, outbox, settings, clock)
        new = NewBroadcast(Audience(), AT, message="Hey {first_name} {last_name}, there is something new")
        broadcast = await create_broadcast(database, rulebook(settings), new, None)
        meter, began = CpuMeter(pids), time.perf_counter()
        await _work(broadcaster)
        scheduled, cpu = time.perf_counter() - began, meter.spent()
        await _require(database, broadcast.id, BroadcastStatus.SCHEDULED, "PENDING", recipients)
        await cancel_broadcast(database, broadcast.id)
        began = time.perf_counter()
        await _work(broadcaster)
        cancelled = time.perf_counter() - began
        await _require(database, broadcast.id, BroadcastStatus.CANCELLED, "CANCELLED", recipients)
    finally:
        await database.close()
    return BroadcastResult(recipients, scheduled, cancelled, cpu)


def _broadcaster(database: Database, outbox: Outbox, settings: Settings, clock: Clock) -> Broadcaster:
    partitions = Partitions(database, clock)
    return Broadcaster(database, outbox, rulebook(settings), partitions, chunk=settings.broadcast_chunk)


async def _work(broadcaster: Broadcaster) -> None:
    while await broadcaster.step() == 0.0:
        pass


async def _require(database: Database, id: UUID, status: BroadcastStatus, events: str, count: int) -> None:
    async with database.read() as connection:
        broadcast, counts = await stored.find(connection, id), await stored.counts(connection, id)
    if broadcast is None or broadcast.status is not status or counts != {events: count}:
        raise BroadcastError(f"{count} should be {events} and the broadcast {status}: {broadcast}, {counts}")


def show(result: BroadcastResult) -> None:
    """Print the tables."""
    report(
        f"A broadcast to {result.recipients:,} recipients",
        ["step", "seconds", "events/s"],
        [
            ["scheduled", result.scheduled, result.rate],
            ["cancelled", result.cancelled, result.recipients / result.cancelled],
        ],
    )
    # The cluster is a child of this process, and counted with it.
    own = result.cpu["worker"] - result.cpu["postgresql"]
    rows = [
        ["worker", 1e6 * own / result.recipients],
        ["postgresql", 1e6 * result.cpu["postgresql"] / result.recipients],
    ]
    report("CPU of scheduling", ["process", "µs an event"], rows)


async def main(recipients: int) -> None:
    """Run, and print."""
    print(machine())
    async with cluster() as on:
        result = await run_broadcast(recipients, on.server, {"worker": os.getpid(), "postgresql": on.pid})
    show(result)
    print(f"broadcast: {result.rate:.0f} rows/s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=200_000, help="recipients")
    parsed = arguments.parse_args()
    try:
        uvloop.run(main(parsed.n))
    except (BroadcastError, StartupError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
