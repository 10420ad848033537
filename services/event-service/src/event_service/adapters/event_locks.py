"""Events in PostgreSQL, locked and found."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Transaction
from event_service.adapters.event_rows import COLUMNS, KEYS, MATCH, key_parameters, to_event
from event_service.domain.errors import EventStateError
from event_service.domain.events import Event, EventKey
from event_service.domain.schedules import LiveEvent

MOST_LOOKS = 100
_LOCK_LIVE = text(
    "SELECT e.id, e.target_timestamp_utc, e.occurrence, e.status, e.rescheduled, e.wall, e.timezone, e.follows_user,"
    " e.grace_until, e.planned_at"
    f" FROM {KEYS} JOIN events e ON {MATCH}"
    " WHERE e.status IN ('PENDING', 'PROCESSING') ORDER BY e.id FOR UPDATE OF e"
)
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
# Keys can change until the event's schedule or recipient is locked; its id cannot.
_BY_ID = f"SELECT {COLUMNS}, e.status FROM events e WHERE e.id = :id ORDER BY e.target_timestamp_utc DESC LIMIT 1"
_FIND = text(_BY_ID)
_LOCK = text(f"{_BY_ID} FOR UPDATE")
_EXISTING = text(f"SELECT e.id FROM {KEYS} JOIN events e ON {MATCH}")
_WHERE = text("SELECT e.id, e.target_timestamp_utc FROM events e WHERE e.id = ANY(CAST(:ids AS uuid[]))")


async def lock_all(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, tuple[Event, str]]:
    """Lock those of the events that are there, in order of id. Returns them with their states."""
    rows = await tx.execute(_LOCK_ALL, {"ids": list(ids)})
    return {row.id: (to_event(row), row.status) for row in rows}


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


async def existing(tx: Transaction, keys: Collection[EventKey]) -> set[UUID]:
    """The ids of those that are there."""
    return set((await tx.execute(_EXISTING, key_parameters(keys))).scalars()) if keys else set()


async def where(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, EventKey]:
    """Those that are there, by their ids, in whichever month that is: for when their instants are not known."""
    if not event_ids:
        return {}
    rows = await tx.execute(_WHERE, {"ids": list(event_ids)})
    return {row.id: EventKey(row.id, row.target_timestamp_utc) for row in rows}
