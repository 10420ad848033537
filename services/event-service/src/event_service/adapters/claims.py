"""The claim: due events change hands (docs/architecture.md#the-claim)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.database.database import Database, Transaction
from event_service.adapters.event_rows import COLUMNS, LIMIT, OF_TAKEN, TAKE_KEYS, key_parameters, to_event
from event_service.domain.events import LATE_AFTER, Event, EventKey

# (SELECT almanac_now()) is evaluated once, before the scan; bare, it would be evaluated for each row and no index used.
# Fresh and late events are two scans of one index, so that a long backlog does not slow fresh ones.
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
        which="e.published_at IS NULL AND e.unconfirmed_until IS NULL",
        change="status = 'PENDING', claim_token = NULL, claimed_until = NULL, version = e.version + 1,"
        " history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', 'not published')))",
    )
    + f" RETURNING {COLUMNS}"
)
_LEAVE = text(
    _HELD.format(
        which="true",
        change="claim_token = NULL, claimed_until = clock_timestamp() + make_interval(secs => :seconds),"
        " unconfirmed_until = CASE WHEN CAST(:maybe AS boolean) AND e.published_at IS NULL"
        " THEN clock_timestamp() + make_interval(secs => :outcome_seconds) ELSE e.unconfirmed_until END,"
        " history = CASE WHEN NOT CAST(:maybe AS boolean) OR e.unconfirmed_until IS NOT NULL THEN e.history"
        " ELSE add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PROCESSING', 'cause', 'publication not confirmed'))) END",
    )
)
# A claim that was not released may have been publishing until its lease ended, and so may one that took it over.
_HORIZON = (
    "CASE WHEN e.claim_token IS NULL THEN e.unconfirmed_until"
    " ELSE greatest(e.unconfirmed_until, e.claimed_until + make_interval(secs => :outcome_seconds)) END"
)
_NEXT = text(
    "SELECT first, almanac_real_delay(first) AS delay FROM ("
    " SELECT min(target_timestamp_utc) AS first FROM events WHERE status = 'PENDING' AND priority = :priority"
    " AND target_timestamp_utc >= (SELECT least(CAST(:since AS timestamptz),"
    "  almanac_now() - make_interval(secs => :late_after)))"
    " AND grace_until > (SELECT almanac_now())) AS next"
)
# Ordered, so that the index is used: EXISTS makes the planner hope for an early hit in a scan of a whole month.
_ANY_TO_TAKE_OVER = text(
    "SELECT target_timestamp_utc FROM events WHERE status = 'PROCESSING' AND priority = :priority"
    " AND claimed_until < (SELECT clock_timestamp())"
    " AND (published_at IS NOT NULL OR grace_until > (SELECT almanac_now()))"
    " ORDER BY target_timestamp_utc LIMIT 1"
)
_EXPIRED = (
    "WITH taken AS ("
    " SELECT id, target_timestamp_utc FROM events e WHERE status = 'PROCESSING'"
    " AND claimed_until < (SELECT clock_timestamp()) AND {which}"
    f" ORDER BY target_timestamp_utc LIMIT {LIMIT} FOR UPDATE SKIP LOCKED)"
    f" UPDATE events e SET {{change}}{OF_TAKEN}"
    f" RETURNING {COLUMNS}, (SELECT almanac_now()) AS now, e.published_at IS NULL AS unconfirmed"
)
_RETURN_UNCONFIRMED = text(
    _EXPIRED.format(
        which=f"published_at IS NULL AND {_HORIZON} < (SELECT clock_timestamp())",
        change="status = 'PENDING', claim_token = NULL, claimed_until = NULL, unconfirmed_until = NULL,"
        " version = e.version + 1, history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', 'publication not confirmed')))",
    )
)
_TAKE_OVER = text(
    _EXPIRED.format(
        which="priority = :priority AND (published_at IS NOT NULL OR grace_until > (SELECT almanac_now()))",
        change="claim_token = :token, claimed_until = clock_timestamp() + make_interval(secs => :lease),"
        f" unconfirmed_until = CASE WHEN e.published_at IS NULL THEN {_HORIZON} END,"
        " history = CASE WHEN e.published_at IS NOT NULL OR e.claim_token IS NULL THEN e.history"
        " ELSE add_to_history(e.history, jsonb_build_array(jsonb_build_object("
        "'at', (SELECT almanac_now()), 'status', 'PROCESSING', 'cause', 'lease expired'))) END",
    )
)
_PROGRESS = text(
    "SELECT e.published_at, e.unconfirmed_until FROM events e WHERE e.id = :id AND e.target_timestamp_utc = :target"
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

    ``speed``: seconds that this clock advances per real second; 1 but in time-lapse.
    """

    events: Sequence[Event]
    token: UUID
    now: datetime
    speed: float = 1.0
    unconfirmed: frozenset[UUID] = frozenset()
    """Those that were claimed before, and may have been published then."""

    def delay(self, event: Event) -> float:
        """Real seconds from the claim until the event is due: 0, unless it was claimed ahead."""
        ahead = (event.target - self.now).total_seconds()
        return ahead / self.speed if ahead > 0 else 0.0


def _to_claim(
    rows: Sequence[Row[Any]], token: UUID, speed: float = 1.0, unconfirmed: Iterable[UUID] = ()
) -> Claim | None:
    if not rows:
        return None
    # UPDATE … RETURNING has no order of its own.
    return Claim(
        sorted(map(to_event, rows), key=lambda event: event.target), token, rows[0].now, speed, frozenset(unconfirmed)
    )


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

    ``since``: late ones are searched from this target on, if the caller knows that there are none before it.
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


async def take_over(
    database: Database, *, priority: int, limit: int, token: UUID, lease_seconds: float, outcome_seconds: float
) -> Claim | None:
    """Take events to be published again: those whose outcome is overdue, and unstamped claims whose lease has ended.

    None where there are none. Of the unstamped ones only those inside their grace; they stay in doubt until
    ``outcome_seconds`` after the last call that may have been in progress for them.
    """
    values = {
        "priority": priority,
        "limit": limit,
        "token": token,
        "lease": lease_seconds,
        "outcome_seconds": outcome_seconds,
    }
    async with database.transaction() as tx:
        rows = (await tx.execute(_TAKE_OVER, values)).all()
    return _to_claim(rows, token, unconfirmed=(row.id for row in rows if row.unconfirmed))


async def return_unconfirmed(tx: Transaction, *, limit: int, outcome_seconds: float) -> list[Event]:
    """Return to PENDING the events that were not confirmed within ``outcome_seconds`` after its last call."""
    values = {"limit": limit, "outcome_seconds": outcome_seconds}
    return [to_event(row) for row in await tx.execute(_RETURN_UNCONFIRMED, values)]


async def stamp(tx: Transaction, token: UUID, events: Collection[Event], *, outcome_seconds: float) -> set[UUID]:
    """Record that SNS accepted these; their outcome is awaited for ``outcome_seconds``.

    Returns the ids of those that the claim still held: not those that an outcome has overtaken.
    """
    if not events:
        return set()
    return set((await tx.execute(_STAMP, {**_held(token, events), "seconds": outcome_seconds})).scalars())


async def give_back(tx: Transaction, token: UUID, events: Collection[Event]) -> list[Event]:
    """Return to PENDING what SNS certainly did not accept.

    What an earlier call may have published, or did, stays PROCESSING.
    """
    if not events:
        return []
    return [to_event(row) for row in await tx.execute(_GIVE_BACK, _held(token, events))]


async def leave(
    tx: Transaction, token: UUID, events: Collection[Event], *, seconds: float, in_doubt_seconds: float | None = None
) -> None:
    """Give up the claim of events that stay PROCESSING, to be taken over after ``seconds``.

    ``in_doubt_seconds``: a call for them that has just ended may have been accepted, and for so long they stay.
    """
    if events:
        values = {"seconds": seconds, "maybe": in_doubt_seconds is not None, "outcome_seconds": in_doubt_seconds or 0.0}
        await tx.execute(_LEAVE, {**_held(token, events), **values})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the publication of a PROCESSING event is, in real time: recorded, or in doubt until some time."""

    published_at: datetime | None
    unconfirmed_until: datetime | None


async def progress(tx: Transaction, key: EventKey) -> Progress:
    row = (await tx.execute(_PROGRESS, {"id": key.id, "target": key.target})).one()
    return Progress(row.published_at, row.unconfirmed_until)


async def find_next(database: Database, priority: int, *, since: datetime = BEGINNING) -> Next | None:
    """The first event of this priority that can be claimed; None where none waits.

    Of those that are late only targets from ``since`` on are looked at.
    """
    values = {"priority": priority, "since": since, "late_after": LATE_AFTER.total_seconds()}
    async with database.read() as connection:
        row = (await connection.execute(_NEXT, values)).one()
    return None if row.first is None else Next(row.first, row.delay)


async def any_to_take_over(database: Database, priority: int) -> bool:
    """Whether an event of this priority is to be taken over."""
    async with database.read() as connection:
        return (await connection.execute(_ANY_TO_TAKE_OVER, {"priority": priority})).first() is not None


async def expect_all_again(database: Database) -> int:
    """Publish again, soon, all that is published and unanswered: for a bus that has lost its queues."""
    async with database.transaction() as tx:
        return (await tx.execute(_EXPECT_AGAIN)).rowcount
