"""Events in PostgreSQL: inserted, moved, renewed, cancelled, finished, listed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text

from chassis.core.zones import TZDATA_VERSION
from chassis.database.database import Reader, Transaction
from contracts.identity import derive_id
from event_service.adapters.send_windows import read_window
from event_service.domain.errors import EventStateError
from event_service.domain.events import ENDS_FROM, Event, EventKey
from event_service.domain.local_time import GapPolicy, OverlapPolicy
from event_service.domain.record import record
from event_service.domain.schedules import LiveEvent

_NOW = text("SELECT almanac_now()")
COLUMNS = (
    "e.id, e.target_timestamp_utc, e.schedule_id, e.user_id, e.event_type, e.occurrence, e.priority, e.timezone,"
    " e.grace_until, e.expires_at, e.payload, e.tags, e.contact, e.traceparent, e.attempt, e.broadcast_id, e.wall,"
    " e.follows_user, e.template, e.rescheduled, e.gap, e.overlap, e.external_id, e.idempotency_key, e.planned_at,"
    " CAST(e.send_window AS text), CAST(e.user_window AS text), e.ignores_window, e.window_timezone, e.spread_seconds"
)
MOST_LOOKS = 100
FORGOTTEN = "payload = '{}', contact = '{}', tags = '{}', template = NULL, external_id = NULL, idempotency_key = NULL"
"""What is personal in an event, taken out."""

_RECORDS = (
    "jsonb_to_recordset(CAST(CAST(:events AS text) AS jsonb)) AS i (id uuid, target timestamptz, schedule_id uuid,"
    " broadcast_id uuid, user_id uuid, event_type text, occurrence text, priority smallint, attempt integer,"
    " wall timestamp, timezone text, follows_user boolean, rescheduled boolean, gap text, overlap text,"
    " grace_until timestamptz, expires_at timestamptz, template text, payload jsonb, tags jsonb, contact jsonb,"
    " traceparent text, external_id text, idempotency_key text, planned timestamptz, send_window jsonb,"
    " user_window jsonb, ignores_window boolean, window_timezone text, spread_seconds integer)"
)
_WRITTEN = (
    "id, target_timestamp_utc, schedule_id, broadcast_id, user_id, event_type, occurrence, priority, attempt, wall,"
    " timezone, follows_user, rescheduled, gap, overlap, tzdata, grace_until, expires_at, template, payload, tags,"
    " contact, traceparent, external_id, idempotency_key, planned_at, send_window, user_window, ignores_window,"
    " window_timezone, spread_seconds"
)
_WRITTEN_FROM = (
    "i.id, i.target, i.schedule_id, i.broadcast_id, i.user_id, i.event_type, i.occurrence, i.priority, i.attempt,"
    " i.wall, i.timezone, i.follows_user, i.rescheduled, i.gap, i.overlap, :tzdata, i.grace_until, i.expires_at,"
    " i.template, i.payload,"
    " ARRAY(SELECT jsonb_array_elements_text(i.tags)), i.contact, i.traceparent, i.external_id,"
    " i.idempotency_key, i.planned, i.send_window, i.user_window, i.ignores_window, i.window_timezone,"
    " i.spread_seconds"
)
_STEP = (
    "jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', CAST(:cause AS text)))"
)
_INSERT = text(f"INSERT INTO events ({_WRITTEN}, history) SELECT {_WRITTEN_FROM}, {_STEP} FROM {_RECORDS}")
# If the planner sees the limit, it replans every time, which takes longer than a claim. From a sub-select it does
# not see it, and keeps one plan.
LIMIT = "(SELECT CAST(:limit AS bigint))"
# Whatever the planner thinks of their number, keys are looked up in the index: to it, an array from a sub-select is
# short. Joined alone, they would have it read whole partitions. The bounds keep all other months out.
KEYS = "unnest(CAST(:ids AS uuid[]), CAST(:targets AS timestamptz[])) AS k (id, target)"
LOOK_UP = (
    "e.id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))"
    " AND e.target_timestamp_utc BETWEEN CAST(:first AS timestamptz) AND CAST(:last AS timestamptz)"
)
MATCH = f"{LOOK_UP} AND e.id = k.id AND e.target_timestamp_utc = k.target"
# Outcomes overtake stamps. Who may meet another over several events takes them in order of id, and so cannot deadlock.
TAKE_KEYS = (
    "WITH taken AS ("
    f" SELECT e.id, e.target_timestamp_utc FROM events e JOIN {KEYS} ON {MATCH} WHERE {{which}}"
    " ORDER BY e.id FOR UPDATE OF e)"
)
# What a statement has taken, which means locked, it updates by way of the index, for the same reason.
OF_TAKEN = (
    " WHERE e.id = ANY(ARRAY(SELECT id FROM taken))"
    " AND e.target_timestamp_utc BETWEEN (SELECT min(target_timestamp_utc) FROM taken)"
    " AND (SELECT max(target_timestamp_utc) FROM taken)"
)
_DELETE_PENDING = text(f"DELETE FROM events e USING {KEYS} WHERE {MATCH} AND e.status = 'PENDING' RETURNING {COLUMNS}")
# The partition key is never updated: a claim that waits for the row would fail with "moved to another partition".
_MOVE_HELD = (
    f"WITH gone AS (DELETE FROM events e USING {KEYS} WHERE {MATCH} AND {{held}}"
    " RETURNING e.id, e.history, e.version, e.created_at, e.coalesced)"
    f" INSERT INTO events ({_WRITTEN}, history, version, created_at, coalesced)"
    f" SELECT {_WRITTEN_FROM}, add_to_history(gone.history, {_STEP}), gone.version + 1, gone.created_at, gone.coalesced"
    f" FROM {_RECORDS} JOIN gone USING (id) RETURNING id"
)
_MOVE = text(_MOVE_HELD.format(held="e.status = 'PENDING'"))
_MOVE_CLAIMED = text(_MOVE_HELD.format(held="e.claim_token = :token AND e.published_at IS NULL"))
_MISS_CLAIMED = text(
    "UPDATE events e SET status = 'MISSED', reason = :reason, finished_at = (SELECT almanac_now()), claim_token = NULL,"
    " claimed_until = NULL, version = e.version + 1, history = add_to_history(e.history,"
    " jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'MISSED', 'cause', CAST(:reason AS text))))"
    f" FROM {KEYS} WHERE {MATCH} AND e.claim_token = :token AND e.published_at IS NULL RETURNING {COLUMNS}"
)
# An event that was cancelled comes back as itself, with its history: one occurrence has one row.
_REVIVE = text(
    "WITH gone AS (DELETE FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[])) AND e.status = 'CANCELLED'"
    " RETURNING e.id, e.history, e.version, e.created_at)"
    f" INSERT INTO events ({_WRITTEN}, history, version, created_at)"
    f" SELECT {_WRITTEN_FROM}, add_to_history(coalesce(gone.history, '[]'), {_STEP}), coalesce(gone.version, 0) + 1,"
    f" coalesce(gone.created_at, clock_timestamp()) FROM {_RECORDS} LEFT JOIN gone USING (id)"
)
_CANCEL = text(
    "UPDATE events e SET status = 'CANCELLED', reason = :reason, finished_at = (SELECT almanac_now()),"
    f" {FORGOTTEN}, version = e.version + 1, history = e.history || jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'CANCELLED', 'cause', CAST(:reason AS text))"
    f" FROM {KEYS} WHERE {MATCH} AND e.status = 'PENDING' RETURNING {COLUMNS}"
)
_RENEW = text(
    "UPDATE events e SET payload = i.payload, tags = ARRAY(SELECT jsonb_array_elements_text(i.tags)),"
    " contact = i.contact, timezone = i.timezone, wall = i.wall, priority = i.priority, grace_until = i.grace_until,"
    " expires_at = i.expires_at, follows_user = i.follows_user, rescheduled = i.rescheduled,"
    " external_id = i.external_id, planned_at = i.planned, send_window = i.send_window, user_window = i.user_window,"
    " ignores_window = i.ignores_window, window_timezone = i.window_timezone, spread_seconds = i.spread_seconds,"
    " version = e.version + 1"
    f" FROM {_RECORDS}"
    f" WHERE {LOOK_UP} AND e.id = i.id AND e.target_timestamp_utc = i.target AND e.status = 'PENDING'"
)
_FORGET_PERSON = text(
    f"UPDATE events SET {FORGOTTEN}"
    " WHERE user_id = ANY(CAST(:user_ids AS uuid[])) AND status NOT IN ('PENDING', 'PROCESSING')"
)
_USERS_WITH_LIVE = text(
    "SELECT DISTINCT user_id FROM events"
    " WHERE user_id = ANY(CAST(:user_ids AS uuid[])) AND status IN ('PENDING', 'PROCESSING')"
)
_LOCK_LIVE = text(
    "SELECT e.id, e.target_timestamp_utc, e.occurrence, e.status, e.rescheduled, e.wall, e.timezone, e.follows_user,"
    " e.grace_until, e.planned_at"
    f" FROM {KEYS} JOIN events e ON {MATCH}"
    " WHERE e.status IN ('PENDING', 'PROCESSING') ORDER BY e.id FOR UPDATE OF e"
)
_LOCK_SAME = text("SELECT e.id, e.status FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[])) ORDER BY e.id FOR UPDATE")
_LOCK_ALL = text(
    f"SELECT {COLUMNS}, e.status FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[])) ORDER BY e.id FOR UPDATE OF e"
)
_LOCK_ALONE = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.user_id = ANY(CAST(:user_ids AS uuid[])) AND e.status = 'PENDING'"
    " AND e.schedule_id IS NULL ORDER BY e.id FOR UPDATE"
)
# Grace ends after two weeks at most, so that months before that need not be read.
_OF_MOVED = (
    f"SELECT {COLUMNS} FROM events e WHERE e.user_id = ANY(CAST(:user_ids AS uuid[])) AND e.rescheduled"
    " AND e.schedule_id = ANY(CAST(:schedule_ids AS uuid[])) AND e.status = :status"
    " AND e.target_timestamp_utc > (SELECT almanac_now()) - interval '15 days'"
)
_LOCK_MOVED = text(f"{_OF_MOVED} ORDER BY e.id FOR UPDATE")
_MOVED_AND_CANCELLED = text(f"{_OF_MOVED} AND e.reason = :reason ORDER BY e.target_timestamp_utc")
_COALESCE = text(
    f"UPDATE events e SET coalesced = e.coalesced + k.skipped FROM unnest(CAST(:ids AS uuid[]),"
    f" CAST(:targets AS timestamptz[]), CAST(:skipped AS integer[])) AS k (id, target, skipped) WHERE {MATCH}"
)
# Keys can change until the event's schedule or recipient is locked; its id cannot.
_BY_ID = f"SELECT {COLUMNS}, e.status FROM events e WHERE e.id = :id ORDER BY e.target_timestamp_utc DESC LIMIT 1"
_FIND = text(_BY_ID)
_LOCK = text(f"{_BY_ID} FOR UPDATE")
# As if its outcome had been due this moment, so that it is published again, whatever happens to this process. An expiry
# that has passed would end the attempt before it began: it gets as long as the first one had.
_RETRY = text(
    "UPDATE events e SET status = 'PROCESSING', attempt = e.attempt + 1, claim_token = NULL,"
    " claimed_until = clock_timestamp(), finished_at = NULL, reason = NULL, published_at = coalesce(e.published_at,"
    " e.finished_at), expires_at = greatest(coalesce(e.expires_at, e.grace_until), (SELECT almanac_now())"
    " + (coalesce(e.expires_at, e.grace_until) - e.target_timestamp_utc)), version = e.version + 1,"
    " history = add_to_history(e.history, jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'PROCESSING', 'cause', CAST(:cause AS text))))"
    " WHERE e.id = :id AND e.target_timestamp_utc = :target AND e.status = 'FAILED'"
)
_EXISTING = text(f"SELECT e.id FROM {KEYS} JOIN events e ON {MATCH}")
_WHERE = text("SELECT e.id, e.target_timestamp_utc FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[]))")
_FINISH = text(
    TAKE_KEYS.format(which="true")
    + " UPDATE events e SET status = k.status, reason = k.reason, finished_at = k.finished_at, claim_token = NULL,"
    " claimed_until = NULL, published_at = coalesce(e.published_at, k.published_at), version = e.version + 1,"
    " history = e.history || jsonb_build_object("
    "'at', k.finished_at, 'status', k.status, 'cause', coalesce(k.reason, 'delivered'))"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:targets AS timestamptz[]), CAST(:attempts AS integer[]),"
    " CAST(:statuses AS text[]), CAST(:reasons AS text[]), CAST(:published AS timestamptz[]),"
    " CAST(:finished AS timestamptz[]))"
    " AS k (id, target, attempt, status, reason, published_at, finished_at)"
    + f"{OF_TAKEN} AND e.id = k.id AND e.target_timestamp_utc = k.target AND e.attempt = k.attempt AND ("
    + " OR ".join(
        f"k.status = '{end}' AND e.status IN ({', '.join(map(repr, sources))})" for end, sources in ENDS_FROM.items()
    )
    # MISSED ends an unconfirmed publication too, but none that is in progress or has been stamped meanwhile.
    + ") AND (k.status <> 'MISSED' OR e.status = 'PENDING'"
    + f" OR e.published_at IS NULL AND e.claimed_until < (SELECT clock_timestamp())) RETURNING {COLUMNS}"
)
_MISSED = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.status = 'PENDING' AND e.priority = ANY(ARRAY[0, 1, 2, 3])"
    " AND e.target_timestamp_utc <= (SELECT almanac_now()) AND e.grace_until <= (SELECT almanac_now())"
    f" ORDER BY e.target_timestamp_utc LIMIT {LIMIT}"
)
_MISSED_UNCONFIRMED = text(
    f"SELECT {COLUMNS} FROM events e WHERE e.status = 'PROCESSING' AND e.published_at IS NULL"
    " AND e.claimed_until < (SELECT clock_timestamp()) AND e.grace_until <= (SELECT almanac_now())"
    f" ORDER BY e.target_timestamp_utc LIMIT {LIMIT}"
)
_SUMMARY = text(
    "SELECT (SELECT count(*) FROM recipients WHERE NOT deleted) AS recipients,"
    " (SELECT count(*) FROM events WHERE status = 'PENDING') AS pending,"
    " (SELECT count(*) FROM events WHERE status = 'PROCESSING') AS processing"
)


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event that another system fired, as it is kept."""

    event: Event
    status: str
    reason: str | None
    finished_at: datetime


@record
class Finish:
    """How an event ends. ``attempt`` must be the event's own, or nothing happens.

    ``published_at``: by when it had been published, for an event whose own stamp comes later or was lost.
    """

    key: EventKey
    attempt: int
    status: str
    reason: str | None
    published_at: datetime | None
    finished_at: datetime


def missed_at(event: Event, now: datetime) -> Finish:
    """The end of an event whose grace has ended."""
    return Finish(event.key, event.attempt, "MISSED", "grace ended", None, now)


def key_parameters(keys: Collection[EventKey]) -> dict[str, object]:
    """The values of ``KEYS`` and ``MATCH``."""
    targets = [key.target for key in keys]
    return {"ids": [key.id for key in keys], "targets": targets, "first": min(targets), "last": max(targets)}


def to_event(row: Row[Any]) -> Event:
    """Of a row that begins with ``COLUMNS``."""
    # By position: looked up by name, the values would cost a claim half as much CPU again.
    values: Sequence[Any] = row
    id, target, schedule_id, user_id, event_type, occurrence, priority, timezone, grace_until, expires_at = values[:10]
    payload, tags, contact, traceparent, attempt, broadcast_id, wall, follows_user, template = values[10:19]
    rescheduled, gap, overlap, external_id, idempotency_key = values[19:24]
    planned, window, user_window, ignores_window, window_timezone, spread = values[24:30]
    return Event(
        id,
        target,
        schedule_id,
        user_id,
        event_type,
        occurrence,
        priority,
        timezone,
        grace_until,
        expires_at or grace_until,
        payload,
        tuple(tags),
        contact.get("email"),
        contact.get("phone"),
        traceparent,
        attempt,
        broadcast_id,
        wall,
        follows_user,
        template,
        rescheduled,
        GapPolicy(gap) if gap else None,
        OverlapPolicy(overlap) if overlap else None,
        external_id,
        idempotency_key,
        planned,
        read_window(window) if window else None,
        read_window(user_window) if user_window else None,
        ignores_window,
        window_timezone,
        spread,
    )


def _to_row(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "target": event.target,
        "schedule_id": event.schedule_id,
        "broadcast_id": event.broadcast_id,
        "user_id": event.user_id,
        "event_type": event.event_type,
        "occurrence": event.occurrence,
        "priority": event.priority,
        "attempt": event.attempt,
        "wall": event.wall,
        "timezone": event.timezone,
        "follows_user": event.follows_user,
        "rescheduled": event.rescheduled,
        "gap": event.gap,
        "overlap": event.overlap,
        "grace_until": event.grace_until,
        "expires_at": event.expires_at,
        "template": event.template,
        "payload": event.payload,
        "tags": event.tags,
        "contact": {"email": event.email, "phone": event.phone},
        "traceparent": event.traceparent,
        "external_id": event.external_id,
        "idempotency_key": event.idempotency_key,
        "planned": event.planned,
        "send_window": event.window.dump() if event.window else None,
        "user_window": event.user_window.dump() if event.user_window else None,
        "ignores_window": event.ignores_window,
        "window_timezone": event.window_timezone,
        "spread_seconds": event.spread,
    }


_COLUMN_NAMES = {"target": "target_timestamp_utc", "planned": "planned_at"}


def _encode(events: Sequence[Event]) -> str:
    return to_json([_to_row(event) for event in events]).decode()


def derive_event_id(schedule_id: UUID, occurrence: str) -> UUID:
    """One identity per occurrence (docs/architecture.md#identity)."""
    return derive_id(schedule_id, occurrence)


async def current_time(tx: Transaction) -> datetime:
    """The events' clock, as the database has it."""
    now: datetime = (await tx.execute(_NOW)).scalar_one()
    return now


async def read_time(reader: Reader) -> datetime:
    """The same, without a transaction of one's own."""
    now: datetime = (await reader.execute(_NOW)).scalar_one()
    return now


async def insert(tx: Transaction, events: Sequence[Event]) -> None:
    if events:
        await tx.execute(_INSERT, {"events": _encode(events), "cause": "scheduled", "tzdata": TZDATA_VERSION})


async def copy(tx: Transaction, events: Sequence[Event]) -> None:
    """Insert thousands."""
    if events:
        now = await current_time(tx)
        history = to_json([{"at": now, "status": "PENDING", "cause": "scheduled"}]).decode()
        columns = [_COLUMN_NAMES.get(name, name) for name in _to_row(events[0])]
        records = ((*map(copied, _to_row(event).values()), TZDATA_VERSION, history) for event in events)
        await tx.copy("events", [*columns, "tzdata", "history"], records)


def copied(value: object) -> object:
    """A value of a row as COPY takes it."""
    objects = isinstance(value, list) and any(isinstance(each, Mapping) for each in value)
    if objects or isinstance(value, Mapping):
        return to_json(value).decode()
    return value.value if isinstance(value, Enum) else value


async def lock_all(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, tuple[Event, str]]:
    """Lock those of the events that are there, in order of id. Returns them with their states."""
    rows = await tx.execute(_LOCK_ALL, {"ids": list(ids)})
    return {row.id: (to_event(row), row.status) for row in rows}


async def copy_past(tx: Transaction, past: Sequence[PastEvent]) -> None:
    """Insert thousands that have ended."""
    if past:
        columns = [_COLUMN_NAMES.get(name, name) for name in _to_row(past[0].event)]
        records = ((*map(copied, _to_row(each.event).values()), TZDATA_VERSION, *_ended(each)) for each in past)
        ended = ("status", "reason", "published_at", "finished_at", "history")
        await tx.copy("events", [*columns, "tzdata", *ended], records)


def _ended(past: PastEvent) -> tuple[object, ...]:
    step = {"at": past.finished_at, "status": past.status, "cause": "imported"}
    published = past.event.target if past.status in ("COMPLETED", "FAILED") else None
    return past.status, past.reason, published, past.finished_at, to_json([step]).decode()


async def revive(tx: Transaction, events: Sequence[Event]) -> set[UUID]:
    """Insert events that may have been cancelled before; they keep their history.

    Returns the ids of those that were there and not cancelled: they stay as they are.
    """
    if not events:
        return set()
    there = await tx.execute(_LOCK_SAME, {"ids": [event.id for event in events]})
    happened = {row.id for row in there if row.status != "CANCELLED"}
    fresh = [event for event in events if event.id not in happened]
    values = {"ids": [event.id for event in fresh], "events": _encode(fresh)}
    await tx.execute(_REVIVE, {**values, "cause": "scheduled again", "tzdata": TZDATA_VERSION})
    return happened


async def move(tx: Transaction, moves: Sequence[tuple[Event, datetime]]) -> set[UUID]:
    """Give waiting events, which had other instants, their new shape; they keep their history.

    Returns the ids of those that moved: one that was claimed meanwhile stays as it is.
    """
    if not moves:
        return set()
    return set((await tx.execute(_MOVE, _moved(moves, "rescheduled"))).scalars())


async def move_claimed(tx: Transaction, token: UUID, moves: Sequence[tuple[Event, datetime]], cause: str) -> set[UUID]:
    """Let claimed events, which had other instants, wait again in their new shape; they keep their history.

    Returns the ids of those that the claim still held.
    """
    if not moves:
        return set()
    return set((await tx.execute(_MOVE_CLAIMED, {**_moved(moves, cause), "token": token})).scalars())


async def miss_claimed(tx: Transaction, token: UUID, keys: Collection[EventKey], reason: str) -> dict[UUID, Event]:
    """Let claimed events end as MISSED, and return those that the claim still held."""
    if not keys:
        return {}
    rows = await tx.execute(_MISS_CLAIMED, {**key_parameters(keys), "token": token, "reason": reason})
    return {row.id: to_event(row) for row in rows}


def _moved(moves: Sequence[tuple[Event, datetime]], cause: str) -> dict[str, object]:
    return {
        **key_parameters([EventKey(event.id, previous) for event, previous in moves]),
        "events": _encode([event for event, _ in moves]),
        "cause": cause,
        "tzdata": TZDATA_VERSION,
    }


async def delete_pending(tx: Transaction, keys: Collection[EventKey]) -> dict[UUID, Event]:
    """Delete those that still wait and return them; one that was claimed meanwhile stays."""
    if not keys:
        return {}
    return {row.id: to_event(row) for row in await tx.execute(_DELETE_PENDING, key_parameters(keys))}


async def cancel_pending(tx: Transaction, keys: Collection[EventKey], reason: str) -> list[Event]:
    """Cancel those that still wait, without what is personal in them, and return them."""
    if not keys:
        return []
    return [to_event(row) for row in await tx.execute(_CANCEL, {**key_parameters(keys), "reason": reason})]


async def renew_pending(tx: Transaction, events: Sequence[Event]) -> None:
    """Replace all but identity, instant and traces of those that still wait."""
    if events:
        await tx.execute(_RENEW, {**key_parameters([event.key for event in events]), "events": _encode(events)})


async def forget_person(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Remove what is personal from the users' past events."""
    if user_ids:
        await tx.execute(_FORGET_PERSON, {"user_ids": list(user_ids)})


async def users_with_live(tx: Transaction, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the users who have an event that waits or is on its way."""
    return set((await tx.execute(_USERS_WITH_LIVE, {"user_ids": list(user_ids)})).scalars())


async def lock_live(tx: Transaction, keys: Collection[EventKey]) -> dict[UUID, LiveEvent]:
    """Lock the events that schedules reference, in order of id, and return those that are pending or processing."""
    if not keys:
        return {}
    return {
        row.id: LiveEvent(
            row.id,
            row.target_timestamp_utc,
            row.occurrence,
            pending=row.status == "PENDING",
            rescheduled=row.rescheduled,
            wall=row.wall,
            timezone=row.timezone,
            follows_user=row.follows_user,
            grace_until=row.grace_until,
            planned=row.planned_at,
        )
        for row in await tx.execute(_LOCK_LIVE, key_parameters(keys))
    }


async def lock_alone(tx: Transaction, user_ids: Collection[UUID]) -> list[Event]:
    """Lock the users' waiting events that come from no schedule, in order of id."""
    return [to_event(row) for row in await tx.execute(_LOCK_ALONE, {"user_ids": list(user_ids)})] if user_ids else []


async def lock_moved(
    tx: Transaction, user_ids: Collection[UUID], schedule_ids: Collection[UUID]
) -> dict[UUID, list[Event]]:
    """Lock the waiting events of the schedules that were given a time of their own, in order of id."""
    moved: dict[UUID, list[Event]] = {}
    if schedule_ids:
        values = {"user_ids": list(user_ids), "schedule_ids": list(schedule_ids), "status": "PENDING"}
        for row in await tx.execute(_LOCK_MOVED, values):
            moved.setdefault(row.schedule_id, []).append(to_event(row))
    return moved


async def moved_and_cancelled(tx: Transaction, user_id: UUID, schedule_id: UUID, reason: str) -> list[Event]:
    """Events of a schedule that were given a time of their own and cancelled for a reason, the earliest first."""
    values = {"user_ids": [user_id], "schedule_ids": [schedule_id], "status": "CANCELLED", "reason": reason}
    return [to_event(row) for row in await tx.execute(_MOVED_AND_CANCELLED, values)]


async def coalesce(tx: Transaction, skipped: Mapping[EventKey, int]) -> None:
    """Count occurrences that get no event of their own in the events that stand for them."""
    if skipped:
        await tx.execute(_COALESCE, {**key_parameters(skipped), "skipped": list(skipped.values())})


async def find(tx: Transaction, event_id: UUID) -> Event | None:
    """The event as it is known now; it may move until its user and its schedule are locked."""
    row = (await tx.execute(_FIND, {"id": event_id})).one_or_none()
    return to_event(row) if row else None


async def lock(tx: Transaction, event_id: UUID) -> tuple[Event, str] | None:
    """Lock an event, and return it with its status; None where it is not there.

    A move deletes and inserts. Who waits for the old row finds nothing, because its snapshot has no new one: it looks
    again. Of N that move an event at once, the last looks N times; after 100 looks it fails.

    Raises:
        EventStateError: others moved it each time.
    """
    for _ in range(MOST_LOOKS):
        row = (await tx.execute(_LOCK, {"id": event_id})).one_or_none()
        if row is not None:
            return to_event(row), row.status
        if (await tx.execute(_FIND, {"id": event_id})).one_or_none() is None:
            return None
    raise EventStateError(f"event {event_id} is being moved by other requests: try again")


async def retry(tx: Transaction, key: EventKey, cause: str) -> bool:
    """Let a failed event be published again, as its next attempt. False where it has not failed."""
    return (await tx.execute(_RETRY, {"id": key.id, "target": key.target, "cause": cause})).rowcount == 1


async def existing(tx: Transaction, keys: Collection[EventKey]) -> set[UUID]:
    """The ids of those that are there."""
    return set((await tx.execute(_EXISTING, key_parameters(keys))).scalars()) if keys else set()


async def where(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, EventKey]:
    """Those that are there, by their ids, in whichever month that is: for when their instants are not known."""
    if not event_ids:
        return {}
    rows = await tx.execute(_WHERE, {"ids": list(event_ids)})
    return {row.id: EventKey(row.id, row.target_timestamp_utc) for row in rows}


async def finish(tx: Transaction, finishes: Sequence[Finish]) -> dict[UUID, Event]:
    """Bring events to their end where their state allows it, and return those that it did."""
    if not finishes:
        return {}
    rows = await tx.execute(
        _FINISH,
        {
            **key_parameters([each.key for each in finishes]),
            "attempts": [each.attempt for each in finishes],
            "statuses": [each.status for each in finishes],
            "reasons": [each.reason for each in finishes],
            "published": [each.published_at for each in finishes],
            "finished": [each.finished_at for each in finishes],
        },
    )
    return {row.id: to_event(row) for row in rows}


async def find_missed(tx: Transaction, limit: int) -> list[Event]:
    """Events whose grace has ended: pending ones, and those with an unconfirmed publication that no process is
    repeating."""
    return [
        to_event(row)
        for statement in (_MISSED, _MISSED_UNCONFIRMED)
        for row in await tx.execute(statement, {"limit": limit})
    ]


async def summary(reader: Reader) -> dict[str, int]:
    """The number of recipients, of pending and of processing events."""
    row = (await reader.execute(_SUMMARY)).one()
    return {"recipients": row.recipients, "pending": row.pending, "processing": row.processing}
