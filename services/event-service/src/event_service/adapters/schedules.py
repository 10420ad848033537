"""Schedules in PostgreSQL. Every change of a schedule or its event locks the schedule first, always in order of id."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text

from chassis.database.database import Reader, Transaction
from event_service.adapters import calendar_rules, patterns
from event_service.adapters.event_rows import copied
from event_service.adapters.send_windows import read_window
from event_service.domain.business_days import Adjust, BusinessDays
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.schedules import CatchUp, Schedule, Source, Status

COLUMNS = (
    "s.id, s.version, s.user_id, s.event_type, s.source, s.status, s.priority, s.label, s.rule, s.local_time,"
    " s.timezone, s.follows_user, s.gap, s.overlap, s.leap_day, s.grace_seconds, s.expiry_seconds, s.message,"
    " s.payload, s.last_occurrence, s.live_event_id, s.next_at, s.traceparent, s.catch_up, s.floor_at, s.has_moved,"
    " CAST(s.send_window AS text) AS send_window, s.ignores_window, CAST(s.user_window AS text) AS user_window,"
    " s.user_timezone, s.business_days, s.spread_seconds, s.messages"
)
_LOCK = text(f"SELECT {COLUMNS} FROM schedules s WHERE s.id = ANY(CAST(:ids AS uuid[])) ORDER BY s.id FOR UPDATE")
_LOCK_OF_USERS = text(
    f"SELECT {COLUMNS} FROM schedules s WHERE s.user_id = ANY(CAST(:user_ids AS uuid[])) ORDER BY s.id FOR UPDATE"
)
_LOCK_LIVE = text(
    f"SELECT {COLUMNS} FROM schedules s WHERE s.live_event_id = ANY(CAST(:event_ids AS uuid[]))"
    " ORDER BY s.id FOR UPDATE"
)
# It waits for no lock, so that its own order does not matter.
_TAKE_WAITING = text(
    f"SELECT {COLUMNS} FROM schedules s WHERE s.live_event_id IS NULL AND s.next_at IS NOT NULL"
    " AND s.next_at <= CAST(:before AS timestamptz) AND s.status = 'ACTIVE'"
    " ORDER BY s.next_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_NAMING = text(
    "SELECT live_event_id FROM schedules WHERE live_event_id = ANY(CAST(:event_ids AS uuid[])) AND status = 'ACTIVE'"
)
_UPSERT = text(
    "INSERT INTO schedules (id, version, user_id, event_type, source, status, priority, label, rule, local_time,"
    " timezone, follows_user, gap, overlap, leap_day, grace_seconds, expiry_seconds, message, payload,"
    " last_occurrence, live_event_id, next_at, traceparent, catch_up, floor_at, has_moved, send_window,"
    " ignores_window, user_window, user_timezone, business_days, spread_seconds, messages)"
    " SELECT i.* FROM jsonb_to_recordset(CAST(CAST(:schedules AS text) AS jsonb)) AS i (id uuid, version integer,"
    " user_id uuid, event_type text, source text, status text, priority smallint, label text, rule jsonb,"
    " local_time time, timezone text, follows_user boolean, gap text, overlap text, leap_day text,"
    " grace_seconds integer, expiry_seconds integer, message text, payload jsonb, last_occurrence text,"
    " live_event_id uuid, next_at timestamptz, traceparent text, catch_up text, floor_at timestamptz,"
    " has_moved boolean, send_window jsonb, ignores_window boolean, user_window jsonb, user_timezone text,"
    " business_days jsonb, spread_seconds integer, messages jsonb)"
    " ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status,"
    " priority = excluded.priority, label = excluded.label, rule = excluded.rule, local_time = excluded.local_time,"
    " timezone = excluded.timezone, follows_user = excluded.follows_user, gap = excluded.gap,"
    " overlap = excluded.overlap, leap_day = excluded.leap_day, grace_seconds = excluded.grace_seconds,"
    " expiry_seconds = excluded.expiry_seconds, message = excluded.message, payload = excluded.payload,"
    " last_occurrence = excluded.last_occurrence, live_event_id = excluded.live_event_id,"
    " next_at = excluded.next_at, traceparent = excluded.traceparent, catch_up = excluded.catch_up,"
    " floor_at = excluded.floor_at, has_moved = excluded.has_moved, send_window = excluded.send_window,"
    " ignores_window = excluded.ignores_window, user_window = excluded.user_window,"
    " user_timezone = excluded.user_timezone, business_days = excluded.business_days,"
    " spread_seconds = excluded.spread_seconds, messages = excluded.messages, updated_at = clock_timestamp()"
)
_ADVANCE = text(
    "UPDATE schedules s SET status = i.status, last_occurrence = i.last_occurrence, live_event_id = i.live_event_id,"
    " next_at = i.next_at, updated_at = clock_timestamp()"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:lasts AS text[]), CAST(:live AS uuid[]),"
    " CAST(:nexts AS timestamptz[])) AS i (id, status, last_occurrence, live_event_id, next_at) WHERE s.id = i.id"
)
_JSON_COLUMNS = frozenset({"rule", "payload", "send_window", "user_window", "business_days", "messages"})
_ACTIVE = text("SELECT id FROM schedules WHERE id = ANY(CAST(:ids AS uuid[])) AND status <> 'PAUSED'")
_DELETE = text("DELETE FROM schedules WHERE id = ANY(CAST(:ids AS uuid[]))")


async def lock(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, Schedule]:
    """Lock those of ``ids`` that exist."""
    return {each.id: each for each in await read(tx, await tx.execute(_LOCK, {"ids": list(ids)}))}


async def lock_of_users(tx: Transaction, user_ids: Collection[UUID]) -> list[Schedule]:
    """Lock all schedules of the users."""
    if not user_ids:
        return []
    return await read(tx, await tx.execute(_LOCK_OF_USERS, {"user_ids": list(user_ids)}))


async def lock_live(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, Schedule]:
    """Lock the schedules whose live events are among ``event_ids``, and return them by those.

    Their ``next_at`` is the current position of such an event, wherever it was when it was read.
    """
    if not event_ids:
        return {}
    held = await read(tx, await tx.execute(_LOCK_LIVE, {"event_ids": list(event_ids)}))
    return {each.live_event_id: each for each in held if each.live_event_id is not None}


async def take_waiting(tx: Transaction, before: datetime, limit: int) -> list[Schedule]:
    """Lock schedules whose next occurrence, before the given instant, has no event yet: the nearest first."""
    return await read(tx, await tx.execute(_TAKE_WAITING, {"before": before, "limit": limit}))


async def still_named(tx: Transaction, event_ids: Collection[UUID]) -> set[UUID]:
    """Those of the events that are live in a schedule which has neither been paused nor deleted."""
    return set((await tx.execute(_NAMING, {"event_ids": list(event_ids)})).scalars())


async def not_paused(tx: Transaction, ids: Collection[UUID]) -> set[UUID]:
    """Those of the schedules that are there and not paused."""
    return set((await tx.execute(_ACTIVE, {"ids": list(ids)})).scalars()) if ids else set()


async def store(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    """Insert or replace. The caller holds the locks of those that exist."""
    if schedules:
        await tx.execute(_UPSERT, {"schedules": to_json([_to_row(each) for each in schedules]).decode()})


async def copy(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    """Insert thousands that are new."""
    if schedules:
        records = (copied(_to_row(each), _JSON_COLUMNS) for each in schedules)
        await tx.copy("schedules", list(_to_row(schedules[0])), records)


async def advance(tx: Transaction, schedules: Sequence[Schedule]) -> None:
    """Store where schedules have come to, and nothing else of them. The caller holds their locks."""
    if schedules:
        await tx.execute(
            _ADVANCE,
            {
                "ids": [each.id for each in schedules],
                "statuses": [each.status for each in schedules],
                "lasts": [each.last_occurrence for each in schedules],
                "live": [each.live_event_id for each in schedules],
                "nexts": [each.next_at for each in schedules],
            },
        )


async def delete(tx: Transaction, ids: Collection[UUID]) -> None:
    """These schedules create no more events, and their personal data is erased."""
    if ids:
        await tx.execute(_DELETE, {"ids": list(ids)})


async def read(reader: Reader, found: Iterable[Row[Any]]) -> list[Schedule]:
    """Return the schedules of rows that have ``COLUMNS``.

    One that keeps to a calendar which this release of ``holidays`` does not have is read as any other: the last known
    days of the calendar are loaded first.
    """
    rows = list(found)
    named = {_business_days(row.business_days) for row in rows if row.business_days is not None}
    dropped = {days.calendar for days in named if days is not None and not days.calendar.is_known}
    if dropped:
        await calendar_rules.load_last_known(reader, dropped)
    return [_to_schedule(row) for row in rows]


def _to_schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        id=row.id,
        user_id=row.user_id,
        event_type=row.event_type,
        source=Source(row.source),
        priority=row.priority,
        pattern=patterns.load(row.rule, row.local_time),
        timezone=row.timezone,
        follows_user=row.follows_user,
        label=row.label,
        gap=GapPolicy(row.gap) if row.gap else None,
        overlap=OverlapPolicy(row.overlap) if row.overlap else None,
        leap_day=LeapDayPolicy(row.leap_day) if row.leap_day else None,
        grace=timedelta(seconds=row.grace_seconds) if row.grace_seconds else None,
        expiry=timedelta(seconds=row.expiry_seconds) if row.expiry_seconds else None,
        message=row.message,
        payload=row.payload,
        status=Status(row.status),
        last_occurrence=row.last_occurrence,
        live_event_id=row.live_event_id,
        next_at=row.next_at,
        version=row.version,
        traceparent=row.traceparent,
        catch_up=CatchUp(row.catch_up) if row.catch_up else None,
        floor_at=row.floor_at,
        has_moved=row.has_moved,
        window=read_window(row.send_window) if row.send_window else None,
        ignores_window=row.ignores_window,
        user_window=read_window(row.user_window) if row.user_window else None,
        user_timezone=row.user_timezone,
        business_days=_business_days(row.business_days),
        spread=row.spread_seconds,
        messages=row.messages,
    )


def _to_row(schedule: Schedule) -> dict[str, object]:
    return {
        "id": schedule.id,
        "version": schedule.version,
        "user_id": schedule.user_id,
        "event_type": schedule.event_type,
        "source": schedule.source,
        "status": schedule.status,
        "priority": schedule.priority,
        "label": schedule.label,
        "rule": patterns.dump(schedule.pattern),
        "local_time": schedule.pattern.local_time,
        "timezone": schedule.timezone,
        "follows_user": schedule.follows_user,
        "gap": schedule.gap,
        "overlap": schedule.overlap,
        "leap_day": schedule.leap_day,
        "grace_seconds": _seconds(schedule.grace),
        "expiry_seconds": _seconds(schedule.expiry),
        "message": schedule.message,
        "payload": schedule.payload,
        "last_occurrence": schedule.last_occurrence,
        "live_event_id": schedule.live_event_id,
        "next_at": schedule.next_at,
        "traceparent": schedule.traceparent,
        "catch_up": schedule.catch_up,
        "floor_at": schedule.floor_at,
        "has_moved": schedule.has_moved,
        "send_window": schedule.window.dump() if schedule.window else None,
        "ignores_window": schedule.ignores_window,
        "user_window": schedule.user_window.dump() if schedule.user_window else None,
        "user_timezone": schedule.user_timezone,
        "business_days": asdict(schedule.business_days) if schedule.business_days else None,
        "spread_seconds": schedule.spread,
        "messages": schedule.messages,
    }


def _business_days(stored: dict[str, Any] | None) -> BusinessDays | None:
    if stored is None:
        return None
    return BusinessDays(stored["country"], stored["subdivision"], Adjust(stored["adjust"]))


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
