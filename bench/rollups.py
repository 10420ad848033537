"""What pages ask of a year of rollups: `python -m bench.rollups --events 10000000`.

The tables are filled as if a year of events, all days alike, had been recorded, each grain as far back as it is
kept. Each question is asked over the API's own application, in this process. The last line gives the overview's p95.
"""

# ruff: noqa: S608 - the statements are put together from parts of this file alone

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
import uvloop
from pydantic import SecretStr

from analytics_service.domain.grains import Grain
from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from bench.measure import CpuMeter, Summary, machine, report
from bench.postgres import cluster, vacuum
from chassis.core.settings import ApiKey
from chassis.database.migrations import upgrade
from chassis.service.runtime import open_runtime
from local_stack.child import StartupError
from local_stack.postgres import PostgresServer

KEY = "bench"
ENDPOINTS = 20
USERS = 200_000
DAYS = {"day": 365, "hour": 365, "minute": 31}
"""How far back each grain is kept."""

# Of 55 events of a user and a year: birthday, anniversary, reminders, notifications; one in a hundred fails. Every
# event of one day is thrown into its spans and its bucket, around the median of what is measured; all other days are
# like it.
_EVENTS = (
    "CREATE TEMP TABLE thrown AS SELECT $1::timestamptz + random() * interval '1 day' AS at, floor(random() * 55)::int"
    f" AS lot, random() < 0.01 AS failed, 1 + floor(random() * {ENDPOINTS})::int AS endpoint,"
    " 6 * (random() + random() + random() + random() - 2) AS off FROM generate_series(1, $2::int)"
)
_TYPE = (
    "CASE WHEN lot = 0 THEN 'BIRTHDAY' WHEN lot = 1 THEN 'ANNIVERSARY' WHEN lot < 5 THEN 'REMINDER' ELSE 'NOTIFICATION'"
    " END AS type, CASE WHEN lot < 2 THEN lot WHEN lot < 5 THEN 2 ELSE 3 END AS priority"
)
_START = "date_trunc($1, at, 'UTC')"
_KINDS = (
    "unnest(CASE WHEN failed THEN ARRAY['scheduled', 'published', 'delivery_failed', 'failed', 'dead_lettered']"
    " ELSE ARRAY['scheduled', 'published', 'delivery_succeeded', 'completed'] END)"
)
_MEASURES = "(VALUES ('lateness', -24), ('queue', -30), ('webhook', -26), ('end_to_end', -14)) AS m (measure, middle)"
_DAY = {
    "counts": f"SELECT $1, {_START}, {_KINDS}, {_TYPE}, count(*) FROM thrown GROUP BY 2, 3, 4, 5",
    "latencies": f"SELECT $1, {_START}, measure, {_TYPE}, middle + round(off), count(*) FROM thrown, {_MEASURES}"
    " GROUP BY 2, 3, 4, 5, 6",
    "endpoint_results": f"SELECT $1, {_START}, CAST(lpad(to_hex(endpoint), 32, '0') AS uuid), 'webhook',"
    " CASE WHEN failed THEN 'exhausted' ELSE 'succeeded' END, round(off) - 26, count(*), count(*)"
    " FROM thrown GROUP BY 2, 3, 5, 6",
}
_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped"
    " ORDER BY attnum"
)
_ENGAGEMENT = (
    "INSERT INTO engagement SELECT gen_random_uuid(), 55, 1, $1::timestamptz - random() * interval '1 year'"
    " FROM generate_series(1, $2::int)"
)
_TAGS = (
    "INSERT INTO tag_engagement (tag, delivered, failed, last_at) SELECT 'tag-' || n, 1000 * n, n, $1::timestamptz"
    " - n * interval '1 minute' FROM generate_series(1, 500) AS n"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A page's query, repeated this many times."""

    name: str
    path: str
    params: Mapping[str, int | str | Sequence[str]]
    times: int = 20


@dataclass(frozen=True, slots=True)
class RollupsResult:
    """Rows by table; milliseconds by question, those of CPU by process for one answer."""

    rows: dict[str, int]
    latencies: dict[str, Summary]
    cpu: dict[str, dict[str, float]]


def questions(now: datetime) -> list[Question]:
    """Those of the console's pages, and the longest that the API answers."""

    def since(**ago: float) -> str:
        return (now - timedelta(**ago)).isoformat()

    both = ["eventType", "priority"]
    month, year = ({"grain": "day", "from": since(days=days)} for days in (30, 365))
    return [
        Question("overview, an hour", "metrics/overview", {"minutes": 60}, 200),
        Question("overview, a day", "metrics/overview", {"minutes": 1440}, 50),
        Question("overview, a week", "metrics/overview", {"minutes": 10_080}, 50),
        Question("counts by minute, an hour", "metrics/timeseries", {"grain": "minute", "groupBy": both}),
        Question("counts by hour, a week", "metrics/timeseries", {"from": since(days=7), "groupBy": "eventType"}),
        Question("counts by day, a month", "metrics/timeseries", month),
        Question("counts by day, a year", "metrics/timeseries", {**year, "groupBy": both}),
        Question("latency by hour, a week", "metrics/latency", {"from": since(days=7), "groupBy": "priority"}),
        Question("latency by day, a month", "metrics/latency", {**month, "groupBy": "priority"}),
        Question("latency by day, a year", "metrics/latency", year),
        Question("results by endpoint, a week", "endpoints/results", {"from": since(days=7)}),
        Question("results by endpoint, a year", "endpoints/results", year),
        Question("engagement, 50 users", "engagement/users", {}),
        Question("engagement, 50 tags", "engagement/tags", {}),
        Question("costs, a day", "costs", {}),
    ]  # fmt: skip


async def fill(url: str, events: int, now: datetime, users: int = USERS) -> dict[str, int]:
    """The tables after this many events in a year; how many rows each then has."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET synchronous_commit = off")
        yesterday = Grain.DAY.floor(now) - timedelta(days=1)
        await connection.execute(_EVENTS, yesterday, events // 365)
        for table, select in _DAY.items():
            await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")
            columns = await connection.fetch(_COLUMNS, table)
            others = ", ".join(each["attname"] for each in columns if each["attname"] not in ("grain", "start"))
            for grain, days in DAYS.items():
                await connection.execute(f"INSERT INTO {table} {select}", grain)
                # Its beginning is a day earlier with each; today has none.
                await connection.execute(
                    f"INSERT INTO {table} SELECT grain, start - day * interval '1 day', {others}"
                    f" FROM generate_series(1, $2::int) AS day, {table} WHERE grain = $1",
                    grain,
                    days - 1,
                )
        await connection.execute(_ENGAGEMENT, now, users)
        await connection.execute(_TAGS, now)
        tables = ("counts", "latencies", "endpoint_results", "engagement", "tag_engagement")
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    finally:
        await connection.close()


async def run_rollups(events: int, postgres: PostgresServer, pids: Mapping[str, int]) -> RollupsResult:
    """Fill a database of its own, and ask; measure the CPU of the processes `pids`."""
    url, now = await postgres.create_database(f"rollups-{uuid4()}"), datetime.now(UTC)
    await upgrade(url, SERVICE.migrations)
    rows = await fill(url, events, now)
    await vacuum(url)
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = (ApiKey(name=KEY, sha256=digest, scopes=frozenset({"read"})),)
    settings = Settings(database_url=SecretStr(url), api_keys=keys)
    async with open_runtime(settings, name="bench") as runtime:
        transport = httpx.ASGITransport(app=SERVICE.app(runtime))
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://bench/v1/", headers=headers) as client:
            result = RollupsResult(rows, {}, {})
            for question in questions(now):
                meter = CpuMeter(pids)
                result.latencies[question.name] = Summary.of(await _ask(client, question))
                result.cpu[question.name] = {
                    name: 1000 * spent / question.times for name, spent in meter.spent().items()
                }
    return result


async def _ask(client: httpx.AsyncClient, question: Question) -> Sequence[float]:
    milliseconds = []
    for _ in range(question.times):
        began = time.perf_counter()
        answer = await client.get(question.path, params=httpx.QueryParams(question.params))
        milliseconds.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return milliseconds


def show(events: int, result: RollupsResult) -> None:
    """Print the tables."""
    report(f"Rollups of {events:,} events", ["table", "rows"], [[name, count] for name, count in result.rows.items()])
    report(
        "Answers, in milliseconds",
        ["question", "asked", "p50", "p95", "worst", "api, CPU", "postgresql, CPU"],
        [
            [name, each.count, each.p50, each.p95, each.worst, cpu["api"] - cpu["postgresql"], cpu["postgresql"]]
            for (name, each), cpu in zip(result.latencies.items(), result.cpu.values(), strict=True)
        ],
    )


async def main(events: int) -> None:
    """Run, and print."""
    print(machine())
    async with cluster() as on:
        # The cluster is a child of this process, and counted with it.
        result = await run_rollups(events, on.server, {"api": os.getpid(), "postgresql": on.pid})
    show(events, result)
    slowest = max(result.latencies.values(), key=lambda each: each.p95)
    overview = result.latencies["overview, an hour"]
    print(f"rollups: overview p95 {overview.p95:.0f} ms, the slowest question's {slowest.p95:.0f} ms")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=10_000_000, help="of the year that the rollups are of")
    parsed = arguments.parse_args()
    try:
        uvloop.run(main(parsed.events))
    except StartupError as error:
        sys.exit(f"{type(error).__name__}: {error}")
