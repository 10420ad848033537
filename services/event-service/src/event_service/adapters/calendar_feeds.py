"""The table ``calendar_feeds``, and what a feed shows."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.database.database import Database, Reader, Transaction
from event_service.adapters import schedules
from event_service.adapters.schedules import COLUMNS
from event_service.domain.calendar_feeds import CalendarFeed
from event_service.domain.schedules import Schedule

Position = tuple[datetime, UUID]

_COLUMNS = "f.id, f.name, f.created_at, f.user_id, f.schedule_id, f.tag"
_INSERT = text(
    "INSERT INTO calendar_feeds AS f (id, token_sha256, name, user_id, schedule_id, tag)"
    f" VALUES (:id, :token_sha256, :name, :user_id, :schedule_id, :tag) RETURNING {_COLUMNS}"
)
_FIND = text(f"SELECT {_COLUMNS} FROM calendar_feeds f WHERE f.token_sha256 = :token_sha256 AND f.revoked_at IS NULL")
_NEWEST = text(
    f"SELECT {_COLUMNS} FROM calendar_feeds f WHERE f.revoked_at IS NULL AND (f.created_at, f.id)"
    " < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " ORDER BY f.created_at DESC, f.id DESC LIMIT :limit"
)
_REVOKE = text(
    "UPDATE calendar_feeds SET revoked_at = clock_timestamp() WHERE id = :id AND revoked_at IS NULL RETURNING id"
)
# Its name may be that of a person.
_REVOKE_OF_USERS = text(
    "UPDATE calendar_feeds SET revoked_at = coalesce(revoked_at, clock_timestamp()), name = ''"
    " WHERE user_id = ANY(CAST(:user_ids AS uuid[])) OR schedule_id IN"
    " (SELECT s.id FROM schedules s WHERE s.user_id = ANY(CAST(:user_ids AS uuid[])))"
)
_SWEEP_REVOKED = text("DELETE FROM calendar_feeds WHERE revoked_at < clock_timestamp() - interval '30 days'")
_USERS_OF_TAG = text(
    "SELECT r.user_id FROM recipients r WHERE r.tags @> ARRAY[CAST(:tag AS text)] AND NOT r.deleted"
    " ORDER BY r.user_id LIMIT :limit"
)
_SCHEDULES = (
    f"SELECT {COLUMNS} FROM schedules s WHERE s.status = 'ACTIVE' AND s.next_at < :until AND %s"
    " ORDER BY s.next_at, s.id LIMIT :limit"
)
_OF_USERS = text(_SCHEDULES % "s.user_id = ANY(CAST(:ids AS uuid[]))")
_OF_ID = text(_SCHEDULES % "s.id = ANY(CAST(:ids AS uuid[]))")


async def insert(tx: Transaction, feed_id: UUID, token_sha256: str, **values: object) -> CalendarFeed:
    """Store a feed with its ``name`` and one of ``user_id``, ``schedule_id`` and ``tag``; the others are None."""
    row = (await tx.execute(_INSERT, {"id": feed_id, "token_sha256": token_sha256, **values})).one()
    return CalendarFeed(*tuple(row))


async def find(reader: Reader, token_sha256: str) -> CalendarFeed | None:
    """The feed of a token, unless it is revoked."""
    row: Row[Any] | None = (await reader.execute(_FIND, {"token_sha256": token_sha256})).one_or_none()
    return None if row is None else CalendarFeed(*tuple(row))


async def newest(reader: Reader, *, before: Position | None, limit: int) -> Sequence[CalendarFeed]:
    """Those that are not revoked, newest first, at most ``limit``."""
    values = {"before_at": before[0] if before else None, "before_id": before[1] if before else None, "limit": limit}
    return [CalendarFeed(*row) for row in await reader.execute(_NEWEST, values)]


async def revoke(tx: Transaction, feed_id: UUID) -> bool:
    """Revoke a feed. Returns whether there was one that was not revoked."""
    return (await tx.execute(_REVOKE, {"id": feed_id})).one_or_none() is not None


async def revoke_of_users(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Revoke the feeds of these users, and of the schedules that they still have, and erase their names."""
    if user_ids:
        await tx.execute(_REVOKE_OF_USERS, {"user_ids": list(user_ids)})


async def sweep_revoked(database: Database) -> None:
    """Delete feeds that were revoked 30 days ago."""
    async with database.transaction() as tx:
        await tx.execute(_SWEEP_REVOKED)


async def users_of_tag(reader: Reader, tag: str, limit: int) -> list[UUID]:
    """Users with a tag, in the order of their ids."""
    return list((await reader.execute(_USERS_OF_TAG, {"tag": tag, "limit": limit})).scalars())


async def schedules_of(reader: Reader, user_ids: Collection[UUID], until: datetime, limit: int) -> list[Schedule]:
    """Active schedules of these users with their next event before ``until``, the earliest first."""
    rows = await reader.execute(_OF_USERS, {"ids": list(user_ids), "until": until, "limit": limit})
    return await schedules.read(reader, rows)


async def schedule(reader: Reader, schedule_id: UUID, until: datetime) -> list[Schedule]:
    """The schedule where it is active, with its next event before ``until``."""
    rows = await reader.execute(_OF_ID, {"ids": [schedule_id], "until": until, "limit": 1})
    return await schedules.read(reader, rows)
