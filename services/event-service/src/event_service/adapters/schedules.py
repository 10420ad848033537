"""Schedules in PostgreSQL. Whoever changes a schedule or its event locks the schedule first, always in order of id."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text

from chassis.database import Transaction
from event_service.adapters import events
from event_service.domain.events import EventKey
from event_service.domain.schedules import Schedule

_LOCK = text(
    "SELECT id, user_id, event_type, priority, month, day, local_time, timezone, last_occurrence, live_event_id,"
    " next_at FROM schedules WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"
)
_LOCK_LIVE = text(
    "SELECT live_event_id, next_at FROM schedules WHERE live_event_id = ANY(CAST(:event_ids AS uuid[]))"
    " ORDER BY id FOR UPDATE"
)
_UPSERT = text(
    "INSERT INTO schedules (id, user_id, event_type, priority, month, day, local_time, timezone, last_occurrence,"
    " live_event_id, next_at)"
    " SELECT i.* FROM jsonb_to_recordset(CAST(CAST(:schedules AS text) AS jsonb)) AS i (id uuid, user_id uuid,"
    " event_type text, priority smallint, month smallint, day smallint, local_time time, timezone text,"
    " last_occurrence text, live_event_id uuid, next_at timestamptz)"
    " ON CONFLICT (id) DO UPDATE SET priority = excluded.priority, month = excluded.month, day = excluded.day,"
    " local_time = excluded.local_time, timezone = excluded.timezone, last_occurrence = excluded.last_occurrence,"
    " live_event_id = excluded.live_event_id, next_at = excluded.next_at,"
    " updated_at = clock_timestamp()"
)
_DELETE = text("DELETE FROM schedules WHERE id = ANY(CAST(:ids AS uuid[]))")


async def lock(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, Schedule]:
    """Lock those of ``ids`` that exist and return them with their live event."""
    rows = (await tx.execute(_LOCK, {"ids": list(ids)})).all()
    # Read after the locks are held: joined to the lock, events would be those of before the wait for it.
    live = await events.find_live(tx, [EventKey(row.live_event_id, row.next_at) for row in rows if row.live_event_id])
    return {
        row.id: Schedule(
            id=row.id,
            user_id=row.user_id,
            event_type=row.event_type,
            priority=row.priority,
            month=row.month,
            day=row.day,
            local_time=row.local_time,
            timezone=row.timezone,
            last_occurrence=row.last_occurrence,
            live=live.get(row.live_event_id),
        )
        for row in rows
    }


async def lock_live(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Lock the schedules whose live events are among ``event_ids``. Returns those events' instants as they are now."""
    rows = await tx.execute(_LOCK_LIVE, {"event_ids": list(event_ids)})
    return {row.live_event_id: row.next_at for row in rows}


async def store(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    """Insert or replace. The caller holds the locks of those that exist."""
    if not schedules:
        return
    rows = [
        {
            "id": each.id,
            "user_id": each.user_id,
            "event_type": each.event_type,
            "priority": each.priority,
            "month": each.month,
            "day": each.day,
            "local_time": each.local_time,
            "timezone": each.timezone,
            "last_occurrence": each.last_occurrence,
            "live_event_id": each.live.id if each.live else None,
            "next_at": each.live.target if each.live else None,
        }
        for each in schedules
    ]
    await tx.execute(_UPSERT, {"schedules": to_json(rows).decode()})


async def delete(tx: Transaction, ids: Collection[UUID]) -> None:
    """Nothing more comes of these schedules, and what they say of their users is forgotten."""
    if ids:
        await tx.execute(_DELETE, {"ids": list(ids)})
