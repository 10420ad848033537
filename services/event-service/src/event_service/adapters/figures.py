"""Figures of the events as a whole, for those who operate them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from chassis.database.database import Database
from contracts.vocabulary import EventStatus, EventType

COUNTED = 100_000
"""The limit up to which events of each priority are counted: a long backlog must not be read whole every few
seconds."""

_WAITING = text(
    "SELECT p.priority, d.due, d.overdue,"
    " CAST(extract(epoch FROM (SELECT almanac_now()) - d.oldest) AS float8) AS oldest_seconds"
    " FROM generate_series(0, 3) AS p (priority), LATERAL ("
    " SELECT count(*) AS due, count(*) FILTER ("
    "   WHERE target_timestamp_utc <= (SELECT almanac_now()) - make_interval(secs => :late_after)) AS overdue,"
    "  min(target_timestamp_utc) AS oldest"
    " FROM (SELECT target_timestamp_utc FROM events WHERE status = 'PENDING' AND priority = p.priority"
    "   AND target_timestamp_utc <= (SELECT almanac_now()) ORDER BY target_timestamp_utc LIMIT :counted) AS waiting"
    ") AS d ORDER BY p.priority"
)
# What is live is counted while that is cheap, and estimated by what ANALYZE and autovacuum know where it is not.
_IN_HAND = text(
    "SELECT p.priority, h.claimed, h.published, h.expired, h.unanswered FROM generate_series(0, 3) AS p (priority)"
    " LEFT JOIN (SELECT priority, count(*) FILTER (WHERE published_at IS NULL) AS claimed,"
    "  count(*) FILTER (WHERE published_at IS NOT NULL) AS published,"
    "  count(*) FILTER (WHERE published_at IS NULL AND claimed_until < (SELECT clock_timestamp())) AS expired,"
    "  count(*) FILTER (WHERE published_at IS NOT NULL AND claimed_until < (SELECT clock_timestamp())) AS unanswered"
    "  FROM (SELECT priority, published_at, claimed_until FROM events WHERE status = 'PROCESSING' LIMIT :counted) AS e"
    "  GROUP BY priority) AS h USING (priority) ORDER BY p.priority"
)
_LIVE = text(
    "SELECT c.counted AS here, c.counted = :exactly AS many, (SELECT CAST(coalesce(sum(i.reltuples), 0) AS bigint)"
    "  FROM pg_inherits h JOIN pg_class i ON i.oid = h.inhrelid"
    "  WHERE h.inhparent = CAST('events_pending' AS regclass) AND i.reltuples > 0) AS estimate"
    " FROM (SELECT count(*) AS counted FROM (SELECT FROM events WHERE status = 'PENDING' LIMIT :exactly) AS p) AS c"
)
EXACTLY = 10_000
"""Fewer pending events than this are counted one by one."""
# Each hour of a type and a status is a range of one index of one month.
_ENDED = text(
    "SELECT h.hour, s.status, CAST(sum(e.counted) AS bigint) AS ended FROM unnest(CAST(:hours AS timestamptz[]))"
    " AS h (hour), unnest(CAST(:statuses AS text[])) AS s (status), unnest(CAST(:types AS text[])) AS t (type),"
    " LATERAL (SELECT count(*) AS counted FROM (SELECT FROM events WHERE event_type = t.type AND status = s.status"
    "  AND target_timestamp_utc >= h.hour AND target_timestamp_utc < h.hour + interval '1 hour' LIMIT :counted) AS i)"
    " AS e GROUP BY h.hour, s.status"
)
ENDS = (EventStatus.COMPLETED, EventStatus.FAILED, EventStatus.MISSED, EventStatus.CANCELLED)
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
    """How many events of a priority are due, and how many of those are late; both at most ``COUNTED``.

    ``oldest_seconds``: how long the first of them has been due, on the events' clock; None where none is.
    """

    priority: int
    due: int
    overdue: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class InHand:
    """Events of a priority between claim and outcome, of all priorities together at most ``COUNTED``.

    ``claimed`` are not published yet, ``published`` wait for their outcome. Of those, ``expired`` were not published
    before their lease ended, and the outcome of ``unanswered`` is so late that they will be published again.
    """

    priority: int
    claimed: int
    published: int
    expired: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Events that are scheduled and not claimed yet. From ``EXACTLY`` on, an estimate."""

    count: int
    estimated: bool


async def count_waiting(database: Database, *, late_after_seconds: float) -> list[Waiting]:
    """For each priority, by one index."""
    async with database.read() as connection:
        rows = await connection.execute(_WAITING, {"late_after": late_after_seconds, "counted": COUNTED})
        return [Waiting(*row) for row in rows]


async def count_in_hand(database: Database) -> list[InHand]:
    """For each priority."""
    async with database.read() as connection:
        rows = await connection.execute(_IN_HAND, {"counted": COUNTED})
        return [InHand(row.priority, *(each or 0 for each in row[1:])) for row in rows]


async def count_pending(database: Database) -> Pending:
    """Of all priorities."""
    async with database.read() as connection:
        row = (await connection.execute(_LIVE, {"exactly": EXACTLY})).one()
    return Pending(max(row.here, row.estimate) if row.many else row.here, row.many)


async def count_ended(database: Database, hours: Collection[datetime]) -> dict[datetime, dict[str, int]]:
    """By status, those that were due in each hour that begins at one of ``hours``; of a type at most ``COUNTED``."""
    async with database.read() as connection:
        rows = await connection.execute(
            _ENDED, {"hours": list(hours), "statuses": ENDS, "types": list(EventType), "counted": COUNTED}
        )
        counts: dict[datetime, dict[str, int]] = {hour: {} for hour in hours}
        for row in rows:
            counts[row.hour][row.status] = row.ended
        return counts


async def estimate_bloat(database: Database, tables: Collection[str]) -> dict[str, float]:
    """The share of each index of ``tables`` that a new one would not need, from 0 to 1, by the index's name.

    An estimate: deduplicated entries make an index smaller than it takes them for, and then it says 0.
    """
    async with database.read() as connection:
        rows = await connection.execute(_BLOAT, {"tables": list(tables), "pages": SMALLEST_PAGES})
        return {row.name: float(row.bloat) for row in rows}
