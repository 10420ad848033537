"""Events in PostgreSQL: inserted, moved, renewed, cancelled."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text

from chassis.core.zones import TZDATA_VERSION
from chassis.database.database import Reader, Transaction
from event_service.adapters.event_rows import (
    COLUMN_NAMES,
    COLUMNS,
    FORGOTTEN,
    KEYS,
    LOOK_UP,
    MATCH,
    RECORDS,
    STEP,
    WRITTEN,
    WRITTEN_FROM,
    copied,
    encode,
    key_parameters,
    to_event,
    to_row,
)
from event_service.domain.events import Event, EventKey

_NOW = text("SELECT almanac_now()")
_INSERT = text(f"INSERT INTO events ({WRITTEN}, history) SELECT {WRITTEN_FROM}, {STEP} FROM {RECORDS}")
_DELETE_PENDING = text(f"DELETE FROM events e USING {KEYS} WHERE {MATCH} AND e.status = 'PENDING' RETURNING {COLUMNS}")
# The partition key is never updated: a claim that waits for the row would fail with "moved to another partition".
_MOVE_HELD = (
    f"WITH gone AS (DELETE FROM events e USING {KEYS} WHERE {MATCH} AND {{held}}"
    " RETURNING e.id, e.history, e.version, e.created_at, e.coalesced)"
    f" INSERT INTO events ({WRITTEN}, history, version, created_at, coalesced)"
    f" SELECT {WRITTEN_FROM}, add_to_history(gone.history, {STEP}), gone.version + 1, gone.created_at, gone.coalesced"
    f" FROM {RECORDS} JOIN gone USING (id) RETURNING id"
)
_MOVE = text(_MOVE_HELD.format(held="e.status = 'PENDING'"))
_MOVE_CLAIMED = text(_MOVE_HELD.format(held="e.claim_token = :token AND e.published_at IS NULL"))
# An event that was cancelled comes back as itself, with its history: one occurrence has one row.
_REVIVE = text(
    "WITH gone AS (DELETE FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[])) AND e.status = 'CANCELLED'"
    " RETURNING e.id, e.history, e.version, e.created_at)"
    f" INSERT INTO events ({WRITTEN}, history, version, created_at)"
    f" SELECT {WRITTEN_FROM}, add_to_history(coalesce(gone.history, '[]'), {STEP}), coalesce(gone.version, 0) + 1,"
    f" coalesce(gone.created_at, clock_timestamp()) FROM {RECORDS} LEFT JOIN gone USING (id)"
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
    f" FROM {RECORDS}"
    f" WHERE {LOOK_UP} AND e.id = i.id AND e.target_timestamp_utc = i.target AND e.status = 'PENDING'"
)
_LOCK_SAME = text("SELECT e.id, e.status FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[])) ORDER BY e.id FOR UPDATE")
_SUMMARY = text(
    "SELECT (SELECT count(*) FROM recipients WHERE NOT deleted) AS recipients,"
    " (SELECT count(*) FROM events WHERE status = 'PENDING') AS pending,"
    " (SELECT count(*) FROM events WHERE status = 'PROCESSING') AS processing"
)


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
        await tx.execute(_INSERT, {"events": encode(events), "cause": "scheduled", "tzdata": TZDATA_VERSION})


async def copy(tx: Transaction, events: Sequence[Event]) -> None:
    """Insert thousands."""
    if events:
        now = await current_time(tx)
        history = to_json([{"at": now.isoformat(), "status": "PENDING", "cause": "scheduled"}]).decode()
        columns = [COLUMN_NAMES.get(name, name) for name in to_row(events[0])]
        records = ((*copied(to_row(event)), TZDATA_VERSION, history) for event in events)
        await tx.copy("events", [*columns, "tzdata", "history"], records)


async def revive(tx: Transaction, events: Sequence[Event]) -> set[UUID]:
    """Insert events that may have been cancelled before; they keep their history.

    Returns the ids of those that were there and not cancelled: they stay as they are.
    """
    if not events:
        return set()
    there = await tx.execute(_LOCK_SAME, {"ids": [event.id for event in events]})
    happened = {row.id for row in there if row.status != "CANCELLED"}
    fresh = [event for event in events if event.id not in happened]
    values = {"ids": [event.id for event in fresh], "events": encode(fresh)}
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


def _moved(moves: Sequence[tuple[Event, datetime]], cause: str) -> dict[str, object]:
    return {
        **key_parameters([EventKey(event.id, previous) for event, previous in moves]),
        "events": encode([event for event, _ in moves]),
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
        await tx.execute(_RENEW, {**key_parameters([event.key for event in events]), "events": encode(events)})


async def summary(reader: Reader) -> dict[str, int]:
    """The number of recipients, of pending and of processing events."""
    row = (await reader.execute(_SUMMARY)).one()
    return {"recipients": row.recipients, "pending": row.pending, "processing": row.processing}
