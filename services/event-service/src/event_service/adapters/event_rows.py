"""How an event is written to its row and read from it, and the fragments that statements about events share."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Row

from event_service.adapters.send_windows import read_window
from event_service.domain.events import Event, EventKey
from event_service.domain.local_time import GapPolicy, OverlapPolicy

COLUMNS = (
    "e.id, e.target_timestamp_utc, e.schedule_id, e.user_id, e.event_type, e.occurrence, e.priority, e.timezone,"
    " e.grace_until, e.expires_at, e.payload, e.tags, e.contact, e.traceparent, e.attempt, e.broadcast_id, e.wall,"
    " e.follows_user, e.template, e.rescheduled, e.gap, e.overlap, e.external_id, e.idempotency_key, e.planned_at,"
    " CAST(e.send_window AS text), CAST(e.user_window AS text), e.ignores_window, e.window_timezone, e.spread_seconds"
)
FORGOTTEN = "payload = '{}', contact = '{}', tags = '{}', template = NULL, external_id = NULL, idempotency_key = NULL"
"""What is personal in an event, taken out."""
RECORDS = (
    "jsonb_to_recordset(CAST(CAST(:events AS text) AS jsonb)) AS i (id uuid, target timestamptz, schedule_id uuid,"
    " broadcast_id uuid, user_id uuid, event_type text, occurrence text, priority smallint, attempt integer,"
    " wall timestamp, timezone text, follows_user boolean, rescheduled boolean, gap text, overlap text,"
    " grace_until timestamptz, expires_at timestamptz, template text, payload jsonb, tags jsonb, contact jsonb,"
    " traceparent text, external_id text, idempotency_key text, planned timestamptz, send_window jsonb,"
    " user_window jsonb, ignores_window boolean, window_timezone text, spread_seconds integer)"
)
WRITTEN = (
    "id, target_timestamp_utc, schedule_id, broadcast_id, user_id, event_type, occurrence, priority, attempt, wall,"
    " timezone, follows_user, rescheduled, gap, overlap, tzdata, grace_until, expires_at, template, payload, tags,"
    " contact, traceparent, external_id, idempotency_key, planned_at, send_window, user_window, ignores_window,"
    " window_timezone, spread_seconds"
)
WRITTEN_FROM = (
    "i.id, i.target, i.schedule_id, i.broadcast_id, i.user_id, i.event_type, i.occurrence, i.priority, i.attempt,"
    " i.wall, i.timezone, i.follows_user, i.rescheduled, i.gap, i.overlap, :tzdata, i.grace_until, i.expires_at,"
    " i.template, i.payload,"
    " ARRAY(SELECT jsonb_array_elements_text(i.tags)), i.contact, i.traceparent, i.external_id,"
    " i.idempotency_key, i.planned, i.send_window, i.user_window, i.ignores_window, i.window_timezone,"
    " i.spread_seconds"
)
STEP = (
    "jsonb_build_array(jsonb_build_object("
    "'at', (SELECT almanac_now()), 'status', 'PENDING', 'cause', CAST(:cause AS text)))"
)
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


def to_row(event: Event) -> dict[str, object]:
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


JSON_COLUMNS = frozenset({"payload", "contact", "send_window", "user_window"})
COLUMN_NAMES = {"target": "target_timestamp_utc", "planned": "planned_at"}


def encode(events: Sequence[Event]) -> str:
    return to_json([to_row(event) for event in events]).decode()


def copied(row: Mapping[str, object], json_columns: Collection[str] = JSON_COLUMNS) -> list[object]:
    """Return the values of a row as COPY takes them: those of JSON columns as text."""
    return [
        to_json(value).decode() if name in json_columns and value is not None else value for name, value in row.items()
    ]
