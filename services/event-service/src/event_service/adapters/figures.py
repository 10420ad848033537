"""Figures of the events as a whole, for those who operate them."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from chassis.database import Database

COUNTED = 100_000
"""No more than so many are counted for each priority: a long backlog must not be read whole every few seconds."""

_WAITING = text(
    "SELECT p.priority, d.due, d.overdue FROM generate_series(0, 3) AS p (priority), LATERAL ("
    " SELECT count(*) AS due, count(*) FILTER ("
    "   WHERE target_timestamp_utc <= (SELECT almanac_now()) - make_interval(secs => :late_after)) AS overdue"
    " FROM (SELECT target_timestamp_utc FROM events WHERE status = 'PENDING' AND priority = p.priority"
    "   AND target_timestamp_utc <= (SELECT almanac_now()) ORDER BY target_timestamp_utc LIMIT :counted) AS waiting"
    ") AS d ORDER BY p.priority"
)
# By what ANALYZE and autovacuum know, so that nothing is read. An entry is an 8 byte header, its columns rounded up to
# 8 bytes, and a 4 byte pointer; a page has 8,152 bytes for them, and a new index leaves a tenth free.
_BLOAT = text(
    "SELECT name, greatest(0, 1 - ceil(entries * width / (8152 * 0.9)) / pages) AS bloat FROM ("
    " SELECT i.relname AS name, i.reltuples AS entries, nullif(i.relpages - 1, 0) AS pages,"
    "  12 + 8 * ceil(sum(coalesce(s.avg_width, 8)) / 8.0) AS width"
    " FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid"
    " JOIN pg_attribute a ON a.attrelid = i.oid"
    " LEFT JOIN pg_stats s ON s.schemaname = CAST(CAST(t.relnamespace AS regnamespace) AS text)"
    "  AND s.tablename = t.relname AND s.attname = a.attname"
    " WHERE t.oid = ANY(CAST(CAST(:tables AS text[]) AS regclass[])) AND i.reltuples >= 0"
    " GROUP BY i.relname, i.reltuples, i.relpages) AS indexes WHERE pages >= :pages ORDER BY name"
)
SMALLEST_PAGES = 64
"""Half a megabyte. In a smaller index the estimate's error is larger than what it would tell."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many events of a priority are due, and how many of those are late; both at most ``COUNTED``."""

    priority: int
    due: int
    overdue: int


async def count_waiting(database: Database, *, late_after_seconds: float) -> list[Waiting]:
    """For each priority, by one index."""
    async with database.read() as connection:
        rows = await connection.execute(_WAITING, {"late_after": late_after_seconds, "counted": COUNTED})
        return [Waiting(row.priority, row.due, row.overdue) for row in rows]


async def estimate_bloat(database: Database, tables: Collection[str]) -> dict[str, float]:
    """The share of each index of ``tables`` that a new one would not need, from 0 to 1, by the index's name.

    An estimate: deduplicated entries make an index smaller than it takes them for, and then it says 0.
    """
    async with database.read() as connection:
        rows = await connection.execute(_BLOAT, {"tables": list(tables), "pages": SMALLEST_PAGES})
        return {row.name: float(row.bloat) for row in rows}
