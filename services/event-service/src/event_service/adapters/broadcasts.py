"""Broadcasts in PostgreSQL. The process that works on one locks its row; another process takes another one."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text

from chassis.database.database import Reader, Transaction
from event_service.adapters.send_windows import read_window
from event_service.domain.broadcasts import Audience, Broadcast, BroadcastStatus
from event_service.domain.local_time import GapPolicy, OverlapPolicy

Position = tuple[datetime, UUID]

_COLUMNS = (
    "b.id, b.status, b.audience, b.wall, b.instant, b.priority, b.message, b.payload, b.gap, b.overlap,"
    " b.grace_seconds, b.expiry_seconds, b.traceparent, b.recipients, b.scheduled, b.after_user_id, b.created_at,"
    " b.updated_at, CAST(b.send_window AS text) AS send_window, b.ignores_window, b.spread_seconds,"
    " b.messages"
)
_INSERT = text(
    "INSERT INTO broadcasts (id, status, audience, wall, instant, priority, message, payload, gap, overlap,"
    " grace_seconds, expiry_seconds, traceparent, send_window, ignores_window, spread_seconds, messages)"
    " VALUES (:id, :status, CAST(CAST(:audience AS text) AS jsonb), :wall,"
    " :instant, :priority, :message, CAST(CAST(:payload AS text) AS jsonb), :gap, :overlap, :grace_seconds,"
    " :expiry_seconds, :traceparent, CAST(CAST(:send_window AS text) AS jsonb), :ignores_window, :spread_seconds,"
    " CAST(CAST(:messages AS text) AS jsonb))"
)
_FIND = text(f"SELECT {_COLUMNS} FROM broadcasts b WHERE b.id = :id")
_LOCK = text(f"{_FIND.text} FOR UPDATE")
_NEWEST = text(
    f"SELECT {_COLUMNS} FROM broadcasts b WHERE (b.created_at, b.id) < (coalesce(CAST(:before_at AS timestamptz),"
    " 'infinity'), coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " ORDER BY b.created_at DESC, b.id DESC LIMIT :limit"
)
# The one that has waited longest for its next chunk: a long broadcast holds up no short one.
_TAKE = text(
    f"SELECT {_COLUMNS} FROM broadcasts b WHERE b.status IN ('SCHEDULING', 'CANCELLING')"
    " ORDER BY b.updated_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_PROGRESS = text(
    "UPDATE broadcasts SET recipients = recipients + :recipients, scheduled = scheduled + :scheduled,"
    " after_user_id = :after, status = :status, updated_at = clock_timestamp() WHERE id = :id"
)
_SET_STATUS = text("UPDATE broadcasts SET status = :status, updated_at = clock_timestamp() WHERE id = :id")
_COUNTS = text("SELECT e.status, count(*) AS events FROM events e WHERE e.broadcast_id = :id GROUP BY e.status")
_WAITING = text("SELECT EXISTS (SELECT FROM events e WHERE e.broadcast_id = :id AND e.status = 'PENDING')")
_STOPPED = text(
    "SELECT id FROM broadcasts WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN ('CANCELLING', 'CANCELLED')"
)


async def insert(tx: Transaction, broadcast: Broadcast) -> None:
    await tx.execute(
        _INSERT,
        {
            "id": broadcast.id,
            "status": broadcast.status,
            "audience": to_json(broadcast.audience).decode(),
            "wall": broadcast.wall,
            "instant": broadcast.instant,
            "priority": broadcast.priority,
            "message": broadcast.message,
            "payload": to_json(broadcast.payload).decode(),
            "gap": broadcast.gap,
            "overlap": broadcast.overlap,
            "grace_seconds": int(broadcast.grace.total_seconds()),
            "expiry_seconds": int(broadcast.expiry.total_seconds()),
            "traceparent": broadcast.traceparent,
            "send_window": None if broadcast.window is None else to_json(broadcast.window.dump()).decode(),
            "ignores_window": broadcast.ignores_window,
            "spread_seconds": broadcast.spread,
            "messages": to_json(broadcast.messages).decode(),
        },
    )


async def find(reader: Reader, broadcast_id: UUID) -> Broadcast | None:
    row = (await reader.execute(_FIND, {"id": broadcast_id})).one_or_none()
    return _broadcast(row) if row else None


async def lock(tx: Transaction, broadcast_id: UUID) -> Broadcast | None:
    """Wait for the process that works on it, and lock it."""
    row = (await tx.execute(_LOCK, {"id": broadcast_id})).one_or_none()
    return _broadcast(row) if row else None


async def newest(reader: Reader, before: Position | None, limit: int) -> Sequence[Broadcast]:
    values = {"before_at": before[0] if before else None, "before_id": before[1] if before else None, "limit": limit}
    return [_broadcast(row) for row in await reader.execute(_NEWEST, values)]


async def take(tx: Transaction) -> Broadcast | None:
    """Lock an unfinished one that no process works on."""
    row = (await tx.execute(_TAKE)).one_or_none()
    return _broadcast(row) if row else None


async def progress(
    tx: Transaction, broadcast_id: UUID, *, recipients: int, scheduled: int, after: UUID, status: BroadcastStatus
) -> None:
    """Add to its counts, and note up to which user it has come."""
    values = {"id": broadcast_id, "recipients": recipients, "scheduled": scheduled, "after": after, "status": status}
    await tx.execute(_PROGRESS, values)


async def set_status(tx: Transaction, broadcast_id: UUID, status: BroadcastStatus) -> None:
    await tx.execute(_SET_STATUS, {"id": broadcast_id, "status": status})


async def counts(reader: Reader, broadcast_id: UUID) -> dict[str, int]:
    """Its events by their status, from one index alone."""
    return {row.status: row.events for row in await reader.execute(_COUNTS, {"id": broadcast_id})}


async def any_waiting(tx: Transaction, broadcast_id: UUID) -> bool:
    return bool((await tx.execute(_WAITING, {"id": broadcast_id})).scalar_one())


async def stopped(tx: Transaction, broadcast_ids: Collection[UUID]) -> set[UUID]:
    """Those of them that have been cancelled, wholly or so far."""
    return set((await tx.execute(_STOPPED, {"ids": list(broadcast_ids)})).scalars()) if broadcast_ids else set()


def _broadcast(row: Row[Any]) -> Broadcast:
    return Broadcast(
        id=row.id,
        status=BroadcastStatus(row.status),
        audience=Audience(tuple(row.audience["timezones"]), tuple(row.audience["tags"])),
        wall=row.wall,
        instant=row.instant,
        priority=row.priority,
        message=row.message,
        payload=row.payload,
        gap=GapPolicy(row.gap) if row.gap else None,
        overlap=OverlapPolicy(row.overlap) if row.overlap else None,
        grace=timedelta(seconds=row.grace_seconds),
        expiry=timedelta(seconds=row.expiry_seconds),
        traceparent=row.traceparent,
        recipients=row.recipients,
        scheduled=row.scheduled,
        after_user_id=row.after_user_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        window=read_window(row.send_window) if row.send_window else None,
        ignores_window=row.ignores_window,
        spread=row.spread_seconds,
        messages=row.messages,
    )
