"""The claim: due events change hands (design §4 "Claim")."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.database import Database, Transaction
from event_service.adapters.events import COLUMNS, LIMIT, OF_TAKEN, TAKE_KEYS, key_parameters, to_event
from event_service.domain.events import LATE_AFTER, Event

# (SELECT almanac_now()) is evaluated once, before the scan; bare, it would be evaluated for each row and no index used.
# What is fresh and what is late are two scans of one index, so that a long backlog costs the fresh nothing.
_WAITING = (
    "SELECT id, target_timestamp_utc FROM events"
    " WHERE status = 'PENDING' AND priority = (SELECT CAST(:priority AS smallint))"
    " AND grace_until > (SELECT now FROM clock) AND {when}"
    " ORDER BY target_timestamp_utc LIMIT {limit} FOR UPDATE SKIP LOCKED"
)
_FRESH = _WAITING.format(
    when="target_timestamp_utc > (SELECT late_until FROM clock)"
    " AND target_timestamp_utc <= (SELECT due_until FROM clock)",
    limit=LIMIT,
)
_BACKLOG = _WAITING.format(
    when="target_timestamp_utc <= (SELECT late_until FROM clock) AND target_timestamp_utc >= (SELECT since FROM clock)",
    limit="(SELECT CASE WHEN count(*) = 0 THEN CAST(:limit AS bigint)"
    " ELSE least(CAST(:limit AS bigint) / 2, CAST(:limit AS bigint) - count(*)) END FROM fresh)",
)
_CLAIM = text(
    "WITH clock AS MATERIALIZED (SELECT now, now - make_interval(secs => :late_after) AS late_until,"
    " greatest(now, almanac_now_in(:ahead)) AS due_until, CAST(:since AS timestamptz) AS since"
    " FROM (SELECT almanac_now() AS now) AS here),"
    f" fresh AS MATERIALIZED ({_FRESH}),"
    f" backlog AS MATERIALIZED ({_BACKLOG}),"
    " taken AS (SELECT * FROM fresh UNION ALL SELECT * FROM backlog)"
    " UPDATE events e SET status = 'PROCESSING', claim_token = :token, published_at = NULL,"
    " claimed_until = clock_timestamp() + make_interval(secs => :lease), version = e.version + 1,"
    " history = e.history || jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'PROCESSING', 'cause', 'claimed')"
    f"{OF_TAKEN} RETURNING {COLUMNS}, (SELECT almanac_now()) AS now, (SELECT speed FROM clock_map) AS speed"
)
_HELD = f"{TAKE_KEYS.format(which='e.claim_token = :token AND {which}')} UPDATE events e SET {{change}}{OF_TAKEN}"
_STAMP = text(
    _HELD.format(
        which="true",
        change="published_at = (SELECT almanac_now()),"
        " claimed_until = clock_timestamp() + make_interval(secs => :seconds)",
    )
    + " RETURNING e.id"
)
_GIVE_BACK = text(
    _HELD.format(
        which="e.published_at IS NULL",
        change="status = 'PENDING', claim_token = NULL, claimed_until = NULL, version = e.version + 1,"
        " history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', 'not published')))",
    )
    + f" RETURNING {COLUMNS}"
)
_NEXT = text(
    "SELECT first, almanac_real_delay(first) AS delay FROM ("
    " SELECT min(target_timestamp_utc) AS first FROM events WHERE status = 'PENDING' AND priority = :priority"
    " AND target_timestamp_utc >= (SELECT least(CAST(:since AS timestamptz),"
    "  almanac_now() - make_interval(secs => :late_after)))"
    " AND grace_until > (SELECT almanac_now())) AS next"
)
# Ordered, so that the index is used: EXISTS makes the planner hope for an early hit in a scan of a whole month.
_UNANSWERED = text(
    "SELECT target_timestamp_utc FROM events WHERE status = 'PROCESSING' AND priority = :priority"
    " AND claimed_until < (SELECT clock_timestamp()) AND published_at IS NOT NULL"
    " ORDER BY target_timestamp_utc LIMIT 1"
)
_EXPIRED = (
    "WITH taken AS ("
    " SELECT id, target_timestamp_utc FROM events WHERE status = 'PROCESSING'"
    " AND claimed_until < (SELECT clock_timestamp()) AND {which}"
    f" ORDER BY target_timestamp_utc LIMIT {LIMIT} FOR UPDATE SKIP LOCKED)"
    f" UPDATE events e SET {{change}}{OF_TAKEN}"
    f" RETURNING {COLUMNS}, (SELECT almanac_now()) AS now"
)
_REAP_LEASES = text(
    _EXPIRED.format(
        which="published_at IS NULL",
        change="status = 'PENDING', claim_token = NULL, claimed_until = NULL, version = e.version + 1,"
        " history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', 'lease expired')))",
    )
)
_RECLAIM = text(
    _EXPIRED.format(
        which="published_at IS NOT NULL AND priority = :priority",
        change="claim_token = :token, claimed_until = clock_timestamp() + make_interval(secs => :lease)",
    )
)
_EXPECT_AGAIN = text(
    "UPDATE events SET claimed_until = clock_timestamp() WHERE status = 'PROCESSING' AND published_at IS NOT NULL"
)


BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Before all targets."""


@dataclass(frozen=True, slots=True)
class Next:
    """The first event that can be claimed, now or later: its target, and the real seconds until then (0: it is due)."""

    target: datetime
    delay: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Claimed events by target, the token that fences them, and the events' clock at the claim.

    ``speed``: seconds that this clock goes on in a real one; 1 but in time-lapse.
    """

    events: Sequence[Event]
    token: UUID
    now: datetime
    speed: float = 1.0

    def delay(self, event: Event) -> float:
        """Real seconds from the claim until the event is due: 0, unless it was claimed ahead."""
        ahead = (event.target - self.now).total_seconds()
        return ahead / self.speed if ahead > 0 else 0.0


def _to_claim(rows: Sequence[Row[Any]], token: UUID, speed: float = 1.0) -> Claim | None:
    if not rows:
        return None
    # UPDATE … RETURNING has no order of its own.
    return Claim(sorted(map(to_event, rows), key=lambda event: event.target), token, rows[0].now, speed)


def _held(token: UUID, events: Collection[Event]) -> dict[str, object]:
    return {"token": token, **key_parameters([event.key for event in events])}


async def claim_due(
    database: Database,
    *,
    priority: int,
    limit: int,
    token: UUID,
    lease_seconds: float,
    ahead_seconds: float = 0.0,
    since: datetime = BEGINNING,
) -> Claim | None:
    """Claim up to ``limit`` events that are inside their grace and due, or will be in ``ahead_seconds`` of real time.

    What is fresh goes first. Late ones take at most half of the claim, or all of it when nothing fresh waits; each the
    oldest first. None where there are none.

    ``since``: late ones are looked for from this target on, for whoever knows that there are none before it.
    """
    values = {
        "priority": priority,
        "limit": limit,
        "token": token,
        "lease": lease_seconds,
        "ahead": ahead_seconds,
        "late_after": LATE_AFTER.total_seconds(),
        "since": since,
    }
    async with database.transaction() as tx:
        rows = (await tx.execute(_CLAIM, values)).all()
    return _to_claim(rows, token, rows[0].speed or 1.0) if rows else None


async def reclaim_unanswered(
    database: Database, *, priority: int, limit: int, token: UUID, lease_seconds: float
) -> Claim | None:
    """Take published events whose outcome never came, to be published again. None where there are none."""
    values = {"priority": priority, "limit": limit, "token": token, "lease": lease_seconds}
    async with database.transaction() as tx:
        rows = (await tx.execute(_RECLAIM, values)).all()
    return _to_claim(rows, token)


async def reap_leases(tx: Transaction, *, limit: int) -> list[Event]:
    """Return claims to PENDING that were not published before their lease ended."""
    return [to_event(row) for row in await tx.execute(_REAP_LEASES, {"limit": limit})]


async def stamp(tx: Transaction, token: UUID, events: Collection[Event], *, outcome_seconds: float) -> set[UUID]:
    """Record that SNS accepted these; their outcome is awaited for ``outcome_seconds``.

    Returns the ids of those that the claim still held: not those that an outcome has overtaken.
    """
    if not events:
        return set()
    return set((await tx.execute(_STAMP, {**_held(token, events), "seconds": outcome_seconds})).scalars())


async def give_back(tx: Transaction, token: UUID, events: Collection[Event]) -> list[Event]:
    """Return to PENDING what SNS did not accept. One that it accepted an earlier time stays in hand."""
    if not events:
        return []
    return [to_event(row) for row in await tx.execute(_GIVE_BACK, _held(token, events))]


async def find_next(database: Database, priority: int, *, since: datetime = BEGINNING) -> Next | None:
    """The first event of this priority that can be claimed; None where none waits.

    Of those that are late only targets from ``since`` on are looked at.
    """
    values = {"priority": priority, "since": since, "late_after": LATE_AFTER.total_seconds()}
    async with database.read() as connection:
        row = (await connection.execute(_NEXT, values)).one()
    return None if row.first is None else Next(row.first, row.delay)


async def any_unanswered(database: Database, priority: int) -> bool:
    """Whether the outcome of a published event of this priority is overdue."""
    async with database.read() as connection:
        return (await connection.execute(_UNANSWERED, {"priority": priority})).first() is not None


async def expect_all_again(database: Database) -> int:
    """Publish again, soon, all that is published and unanswered: for a bus that has lost its queues."""
    async with database.transaction() as tx:
        return (await tx.execute(_EXPECT_AGAIN)).rowcount
