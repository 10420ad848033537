"""Events for readers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.database.database import Reader
from contracts.vocabulary import EventStatus, EventType

Position = tuple[datetime, UUID]

_COLUMNS = (
    "e.id, e.target_timestamp_utc, e.schedule_id, e.user_id, e.event_type, e.occurrence, e.status, e.priority,"
    " e.attempt, e.timezone, e.grace_until, e.published_at, e.finished_at, e.reason, e.payload, e.history,"
    " e.broadcast_id, e.wall, e.follows_user, e.rescheduled, e.coalesced,"
    " coalesce(e.expires_at, e.grace_until) AS expires_at, e.external_id,"
    " coalesce(e.idempotency_key, CAST(e.id AS text)) AS idempotency_key, e.planned_at, e.ignores_window"
)
_FIND = text(f"SELECT {_COLUMNS} FROM events e WHERE e.id = :id ORDER BY e.target_timestamp_utc DESC LIMIT 1")
_FIND_ALL = text(f"SELECT {_COLUMNS} FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[]))")
_MOVED = text(
    f"SELECT {_COLUMNS} FROM events e WHERE e.user_id = ANY(CAST(:user_ids AS uuid[]))"
    " AND e.schedule_id = ANY(CAST(:schedule_ids AS uuid[])) AND e.rescheduled"
    " AND e.status = 'PENDING' AND e.target_timestamp_utc >= :since ORDER BY e.target_timestamp_utc"
)
_ALONE = text(
    f"SELECT {_COLUMNS} FROM events e WHERE e.user_id = ANY(CAST(:user_ids AS uuid[])) AND e.schedule_id IS NULL"
    " AND e.status = 'PENDING' AND e.target_timestamp_utc >= :since AND e.target_timestamp_utc < :until"
    " ORDER BY e.target_timestamp_utc, e.id LIMIT :limit"
)
_WINDOW = (
    " AND e.target_timestamp_utc >= coalesce(CAST(:start AS timestamptz), '-infinity')"
    " AND e.target_timestamp_utc < coalesce(CAST(:end AS timestamptz), 'infinity')"
    " AND (e.target_timestamp_utc, e.id) < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " ORDER BY e.target_timestamp_utc DESC, e.id DESC LIMIT :limit"
)
_OF_USER = text(
    f"SELECT {_COLUMNS} FROM events e WHERE e.user_id = :user_id"
    " AND e.event_type = ANY(CAST(:types AS text[])) AND e.status = ANY(CAST(:statuses AS text[]))"
    " AND (CAST(:broadcast_id AS uuid) IS NULL OR e.broadcast_id = CAST(:broadcast_id AS uuid))" + _WINDOW
)
_OF_BROADCAST = text(
    f"SELECT {_COLUMNS} FROM unnest(CAST(:statuses AS text[])) AS s (status), LATERAL ("
    f"SELECT {_COLUMNS} FROM events e WHERE e.broadcast_id = :broadcast_id AND e.status = s.status"
    " AND e.event_type = ANY(CAST(:types AS text[]))" + _WINDOW + ") AS e"
    " ORDER BY e.target_timestamp_utc DESC, e.id DESC LIMIT :limit"
)
# One short ordered scan for each (type, status), all of one index: a list must not cost a sort of the table.
_BY_KIND = text(
    f"SELECT {_COLUMNS} FROM unnest(CAST(:types AS text[])) AS t (event_type),"
    " unnest(CAST(:statuses AS text[])) AS s (status), LATERAL ("
    f"SELECT {_COLUMNS} FROM events e WHERE e.event_type = t.event_type AND e.status = s.status" + _WINDOW + ") AS e"
    " ORDER BY e.target_timestamp_utc DESC, e.id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What to list. None: anything. Targets in [start, end)."""

    user_id: UUID | None = None
    broadcast_id: UUID | None = None
    event_type: EventType | None = None
    status: EventStatus | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event with all that a reader may want."""

    id: UUID
    target: datetime
    schedule_id: UUID | None
    user_id: UUID
    event_type: str
    occurrence: str
    status: str
    priority: int
    attempt: int
    timezone: str
    grace_until: datetime
    published_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    payload: dict[str, Any]
    history: list[dict[str, Any]]
    broadcast_id: UUID | None
    wall: datetime | None
    follows_user: bool
    rescheduled: bool
    coalesced: int
    expires_at: datetime
    external_id: str | None
    idempotency_key: str
    planned: datetime | None
    ignores_window: bool


async def find(reader: Reader, event_id: UUID) -> EventView | None:
    row: Row[Any] | None = (await reader.execute(_FIND, {"id": event_id})).one_or_none()
    return EventView(*tuple(row)) if row is not None else None


async def find_all(reader: Reader, event_ids: Collection[UUID]) -> dict[UUID, EventView]:
    """Those of the events that are there, by their ids."""
    views = [EventView(*row) for row in await reader.execute(_FIND_ALL, {"ids": list(event_ids)})]
    return {view.id: view for view in views}


async def moved(
    reader: Reader, user_ids: Collection[UUID], schedule_ids: Collection[UUID], since: datetime
) -> list[EventView]:
    """Waiting events of these users' schedules that were given a time of their own, from ``since`` on, in order."""
    values = {"user_ids": list(user_ids), "schedule_ids": list(schedule_ids), "since": since}
    return [EventView(*row) for row in await reader.execute(_MOVED, values)]


async def alone(
    reader: Reader, user_ids: Collection[UUID], since: datetime, until: datetime, limit: int
) -> list[EventView]:
    """Waiting events of these users without a schedule, with a target in [since, until), the earliest first."""
    values = {"user_ids": list(user_ids), "since": since, "until": until, "limit": limit}
    return [EventView(*row) for row in await reader.execute(_ALONE, values)]


async def search(reader: Reader, wanted: EventFilter, *, before: Position | None, limit: int) -> Sequence[EventView]:
    """Latest target first, at most ``limit``."""
    values: dict[str, object] = {
        "types": [wanted.event_type] if wanted.event_type else list(EventType),
        "statuses": [wanted.status] if wanted.status else list(EventStatus),
        "start": wanted.start,
        "end": wanted.end,
        "before_at": before[0] if before else None,
        "before_id": before[1] if before else None,
        "limit": limit,
    }
    of_broadcast = {**values, "broadcast_id": wanted.broadcast_id}
    if wanted.user_id is not None:
        rows = await reader.execute(_OF_USER, {**of_broadcast, "user_id": wanted.user_id})
    elif wanted.broadcast_id is not None:
        rows = await reader.execute(_OF_BROADCAST, of_broadcast)
    else:
        rows = await reader.execute(_BY_KIND, values)
    return [EventView(*row) for row in rows]
