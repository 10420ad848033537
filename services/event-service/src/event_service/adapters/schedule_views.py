"""Schedules for readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Reader, Rows, Transaction
from contracts.vocabulary import EventType
from event_service.adapters import schedules
from event_service.adapters.schedules import COLUMNS
from event_service.domain.schedules import Schedule, Status

Position = tuple[datetime, UUID]

_SEEN = f"{COLUMNS}, s.created_at, s.updated_at"
_FIND = text(f"SELECT {_SEEN} FROM schedules s WHERE s.id = :id")
_WINDOW = (
    " AND (s.created_at, s.id) < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " ORDER BY s.created_at DESC, s.id DESC LIMIT :limit"
)
_OF_USER = text(
    f"SELECT {_SEEN} FROM schedules s WHERE s.user_id = :user_id"
    " AND s.event_type = ANY(CAST(:types AS text[])) AND s.status = ANY(CAST(:statuses AS text[]))" + _WINDOW
)
# One short ordered scan for each (type, status), all of one index: a list must not cost a sort of the table.
_BY_KIND = text(
    "SELECT s.* FROM unnest(CAST(:types AS text[])) AS t (event_type),"
    " unnest(CAST(:statuses AS text[])) AS k (status), LATERAL ("
    f"SELECT {_SEEN} FROM schedules s WHERE s.event_type = t.event_type AND s.status = k.status" + _WINDOW + ") AS s"
    " ORDER BY s.created_at DESC, s.id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class ScheduleFilter:
    """What to list. None: anything."""

    user_id: UUID | None = None
    event_type: EventType | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule, and when it was created and last changed, by the service or by a client."""

    schedule: Schedule
    created_at: datetime
    updated_at: datetime


async def find(reader: Reader | Transaction, schedule_id: UUID) -> ScheduleView | None:
    found = await _views(reader, await reader.execute(_FIND, {"id": schedule_id}))
    return found[0] if found else None


async def search(
    reader: Reader, wanted: ScheduleFilter, *, before: Position | None, limit: int
) -> Sequence[ScheduleView]:
    """Newest first, at most ``limit``."""
    values: dict[str, object] = {
        "types": [wanted.event_type] if wanted.event_type else list(EventType),
        "statuses": [wanted.status] if wanted.status else list(Status),
        "before_at": before[0] if before else None,
        "before_id": before[1] if before else None,
        "limit": limit,
    }
    if wanted.user_id is not None:
        rows = await reader.execute(_OF_USER, {**values, "user_id": wanted.user_id})
    else:
        rows = await reader.execute(_BY_KIND, values)
    return await _views(reader, rows)


async def _views(reader: Reader | Transaction, found: Rows) -> list[ScheduleView]:
    rows = found.all()
    read = await schedules.read(reader, rows)
    return [ScheduleView(each, row.created_at, row.updated_at) for each, row in zip(read, rows, strict=True)]
