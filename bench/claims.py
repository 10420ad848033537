"""What a claim costs where millions of events wait: `python -m bench.claims --rows 1000000`.

At each number of rows, 100 due events are claimed again and again, and the last line gives the p99 of that. Then all of
a large backlog is claimed by the service's own code, and as much by the same SQL without it: rate and ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import uvloop
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from bench.measure import CpuMeter, Summary, machine, report
from bench.postgres import Cluster, cluster, vacuum
from chassis.database.clock import ClockMap, write_clock_map
from chassis.database.database import Database
from chassis.database.migrations import upgrade
from contracts.vocabulary import Priority
from event_service.adapters import claims
from event_service.domain.events import LATE_AFTER
from event_service.main import SERVICE
from local_stack.child import StartupError

NOW = datetime.now(UTC)
CLAIM = 100
ROUNDS = 300
WARM_UP = 20
BATCH = 500
CLAIMERS = 4
BACKLOG = 40_000
CHUNK = 250_000
LEASE = 3600.0

# Spread over thirteen months: of 55 one is a birthday, one an anniversary, three are reminders, fifty notifications.
_FILL = """
INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, timezone, tzdata, grace_until,
    expires_at, payload, tags, contact, history)
SELECT gen_random_uuid(), at, gen_random_uuid(), (ARRAY['BIRTHDAY', 'ANNIVERSARY', 'REMINDER', 'NOTIFICATION'])[1 + p],
    '2027', p, 'America/New_York', '2026a', at + interval '24 hours', at + interval '24 hours',
    '{"message": "Hey, Ada Lovelace it is your birthday"}', '{vip}',
    '{"email": "ada.lovelace@example.org", "phone": null}',
    '[{"at": "2026-01-01T00:00:00Z", "status": "PENDING", "cause": "scheduled"}]'
FROM (
    SELECT almanac_now() + interval '1 hour' + random() * interval '395 days' AS at,
        CASE WHEN n % 55 = 0 THEN 0 WHEN n % 55 = 1 THEN 1 WHEN n % 55 < 5 THEN 2 ELSE 3 END AS p
    FROM generate_series(1, $1::int) AS n
) AS rows
"""
# Due within the last half minute, or, as a backlog, within the last hours.
_DUE = """
INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, timezone, tzdata, grace_until,
    expires_at, payload, tags, contact, history)
SELECT gen_random_uuid(), almanac_now() - random() * $2::interval, gen_random_uuid(), 'BIRTHDAY', '2026', $3,
    'America/New_York', '2026a', almanac_now() + interval '72 hours', almanac_now() + interval '72 hours',
    '{"message": "Hey, Ada Lovelace it is your birthday"}', '{vip}',
    '{"email": "ada.lovelace@example.org", "phone": null}',
    '[{"at": "2026-01-01T00:00:00Z", "status": "PENDING", "cause": "scheduled"}]'
FROM generate_series(1, $1::int)
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index WHERE indrelid = 'events'::regclass AND NOT indisprimary
"""


class ClaimError(Exception):
    """A claim was not what it should be; the message says how."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Of one number of rows: seconds for a claim of 100, and events a second with the service's code and without.

    `cpu`: microseconds an event while the service's code claimed, of ours and of PostgreSQL.
    """

    rows: int
    claim: Summary
    rate: float
    bare_rate: float
    cpu: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """How much of the bare rate the service's code leaves."""
        return self.rate / self.bare_rate


async def run_claims(
    sizes: Sequence[int], postgres: Cluster, rounds: int = ROUNDS, backlog: int = BACKLOG
) -> list[ClaimResult]:
    """Measure at each size, the smallest first, in one database that grows. Raises ClaimError."""
    url = await postgres.server.create_database(f"claims-{uuid4()}")
    await upgrade(url, SERVICE.migrations)
    database = Database(url, pool_size=CLAIMERS + 1)
    connection = await asyncpg.connect(url, timeout=30)
    try:
        # The clock is frozen, so that due events stay fresh however long the filling takes.
        async with database.transaction() as tx:
            await write_clock_map(tx, ClockMap(NOW, NOW, speed=0))
        results, there = [], 0
        for rows in sorted(sizes):
            await _fill(connection, there, rows)
            there = rows
            results.append(await _measure(rows, url, database, connection, postgres.pid, rounds, backlog))
        return results
    finally:
        await connection.close()
        await database.close()


async def _fill(connection: asyncpg.Connection, there: int, rows: int) -> None:
    """More rows, without the indexes that the claim reads while they come: tens of millions take minutes, not hours."""
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for start in range(there, rows, CHUNK):
        await connection.execute(_FILL, min(CHUNK, rows - start))
    await connection.execute("SET maintenance_work_mem = '1GB'")
    for index in indexes:
        await connection.execute(index["definition"].replace(" ON ONLY ", " ON "))


async def _measure(
    rows: int, url: str, database: Database, connection: asyncpg.Connection, pid: int, rounds: int, backlog: int
) -> ClaimResult:
    await connection.execute(_DUE, CLAIM * (rounds + WARM_UP), timedelta(seconds=30), Priority.CRITICAL.value)
    await vacuum(url)
    taken = [await _claim_once(database) for _ in range(rounds + WARM_UP)][WARM_UP:]
    # In turn, so that what else the machine does hits both alike.
    rate, bare, cpu = 0.0, 0.0, Counter[str]()
    for _ in range(2):
        await connection.execute(_DUE, backlog, timedelta(hours=3), Priority.HIGH.value)
        await vacuum(url)
        meter, own = CpuMeter({"postgresql": pid}), time.process_time()
        rate += await _drain(backlog, lambda: _claim_batch(database)) / 2
        spent = {"ours": time.process_time() - own, **meter.spent()}
        cpu.update({name: 1e6 * seconds / backlog / 2 for name, seconds in spent.items()})
        await connection.execute(_DUE, backlog, timedelta(hours=3), Priority.HIGH.value)
        await vacuum(url)
        bare += await _drain_bare(url, backlog) / 2
    return ClaimResult(rows, Summary.of(taken), rate, bare, cpu)


async def _claim_once(database: Database) -> float:
    began = time.perf_counter()
    claim = await claims.claim_due(
        database, priority=Priority.CRITICAL, limit=CLAIM, token=uuid4(), lease_seconds=LEASE, ahead_seconds=0.1
    )
    seconds = time.perf_counter() - began
    if claim is None or len(claim.events) != CLAIM:
        raise ClaimError(f"{CLAIM} events were due, and {len(claim.events) if claim else 0} were claimed")
    return seconds


async def _claim_batch(database: Database) -> int:
    claim = await claims.claim_due(
        database, priority=Priority.HIGH, limit=BATCH, token=uuid4(), lease_seconds=LEASE, ahead_seconds=0.1
    )
    return len(claim.events) if claim else 0


async def _drain(events: int, claim: Callable[[], Awaitable[int]]) -> float:
    """Several claimers side by side until nothing is due. Events a second."""
    began, claimed = time.perf_counter(), 0

    async def work() -> None:
        nonlocal claimed
        while count := await claim():
            claimed += count

    await asyncio.gather(*(work() for _ in range(CLAIMERS)))
    if claimed != events:
        raise ClaimError(f"{events} events were due, and {claimed} were claimed")
    return events / (time.perf_counter() - began)


async def _drain_bare(url: str, events: int) -> float:
    """The same by the driver alone: the statement prepared, its rows left as they come."""
    # The service's own statement is what is measured.
    compiled = claims._CLAIM.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]
    names = compiled.positiontup or []
    values = {
        "priority": Priority.HIGH.value, "limit": BATCH, "lease": LEASE, "ahead": 0.1,
        "late_after": LATE_AFTER.total_seconds(), "since": claims.BEGINNING,
    }  # fmt: skip
    connections = asyncio.Queue[asyncpg.Connection]()
    for _ in range(CLAIMERS):
        connections.put_nowait(await asyncpg.connect(url, server_settings={"jit": "off"}))

    async def claim() -> int:
        connection = await connections.get()
        try:
            async with connection.transaction():
                given = {**values, "token": uuid4()}
                return len(await connection.fetch(str(compiled), *(given[name] for name in names)))
        finally:
            connections.put_nowait(connection)

    try:
        return await _drain(events, claim)
    finally:
        while not connections.empty():
            await connections.get_nowait().close()


def show(results: Sequence[ClaimResult]) -> None:
    """Print what they took."""
    report(
        f"claims: {CLAIM} events, ms; then batches of {BATCH} by {CLAIMERS} claimers",
        (
            "rows that wait",
            "p50",
            "p95",
            "p99",
            "worst",
            "events/s",
            "bare, events/s",
            "ratio",
            "our CPU us",
            "PostgreSQL's",
        ),
        [
            (
                f"{each.rows:,}",
                *(1000 * value for value in (each.claim.p50, each.claim.p95, each.claim.p99, each.claim.worst)),
                each.rate,
                each.bare_rate,
                each.ratio,
                each.cpu["ours"],
                each.cpu["postgresql"],
            )
            for each in results
        ],
    )
    if len(results) > 1:
        growth = results[-1].claim.p99 / results[0].claim.p99
        print(f"p99 from {results[0].rows:,} to {results[-1].rows:,} rows: {growth:.2f} times")


async def main(sizes: Sequence[int]) -> None:
    """Run, and print."""
    print(machine())
    async with cluster() as postgres:
        results = await run_claims(sizes, postgres)
    show(results)
    last = results[-1]
    print(
        f"claim: p99 {1000 * last.claim.p99:.1f} ms for {CLAIM} of {last.rows:,} rows,"
        f" {last.rate:.0f} events/s, {last.ratio:.2f} of the bare SQL"
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[1_000_000], help="events that wait")
    parsed = arguments.parse_args()
    try:
        uvloop.run(main(parsed.rows))
    except (ClaimError, StartupError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
