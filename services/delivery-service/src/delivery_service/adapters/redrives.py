"""Putting failed deliveries on their way again, and the table ``redrives`` of those that concern many."""

import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Transaction
from delivery_service.domain.dead_letters import Redrive, Selection

# Lock the events before. A redriven delivery may be attempted for this time, even if its event has expired.
_REVIVE = text("""
WITH revived AS (
    UPDATE deliveries d
    SET status = 'PENDING', reason = NULL, tries = 0, lease = NULL, due_at = clock_timestamp(), finished_at = NULL,
        expires_at = greatest(e.expires_at, c.now + make_interval(secs => :horizon))
    FROM endpoints p, events e, (SELECT almanac_now() AS now) c
    WHERE d.id = ANY (CAST(:ids AS uuid[])) AND d.status = 'FAILED' AND p.id = d.endpoint_id AND p.enabled
      AND e.id = d.event_id AND NOT EXISTS (SELECT FROM erasures g WHERE g.user_id = e.user_id)
    RETURNING d.id, d.event_id
), counted AS (
    UPDATE events e SET remaining = e.remaining + n.deliveries, finished_at = NULL
    FROM (SELECT event_id, count(*) AS deliveries FROM revived GROUP BY event_id) n WHERE e.id = n.event_id
)
SELECT id, event_id FROM revived
""")
_EXTEND = text(
    "UPDATE deliveries d SET expires_at = greatest(e.expires_at, almanac_now() + make_interval(secs => :horizon))"
    " FROM events e WHERE e.id = d.event_id AND d.event_id = ANY (CAST(:event_ids AS uuid[])) AND d.status = 'PENDING'"
)
_TRACES = text("SELECT id, traceparent FROM events WHERE id = ANY (CAST(:ids AS uuid[]))")

_COLUMNS = "id, selection, total, redriven, skipped, created_at, finished_at, cancelled"
_BEGIN = text(f"""
INSERT INTO redrives (id, selection, last, total, created_at, finished_at)
SELECT new_id(), CAST(CAST(:selection AS text) AS jsonb), :last, CAST(:total AS bigint), c.now,
       CASE WHEN CAST(:total AS bigint) = 0 THEN c.now END
FROM (SELECT almanac_now() AS now) c
RETURNING {_COLUMNS}
""")
_FIND = text(f"SELECT {_COLUMNS} FROM redrives WHERE id = :id")
_TAKE = text(
    "SELECT id, selection, last, position FROM redrives WHERE finished_at IS NULL"
    " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_ADVANCE = text(
    "UPDATE redrives SET position = :position, redriven = redriven + :redriven, skipped = skipped + :skipped,"
    " finished_at = CASE WHEN :finished THEN almanac_now() END WHERE id = :id"
)
_CANCEL = text(
    "UPDATE redrives SET finished_at = almanac_now(), cancelled = true WHERE id = :id AND finished_at IS NULL"
)


async def revive(tx: Transaction, delivery_ids: Collection[UUID], horizon: float) -> dict[UUID, UUID]:
    """Make failed deliveries due, with new tries and at least ``horizon`` seconds of Almanac's time until they expire.

    Returns those that were, with their events: not the ones whose endpoint is gone or not enabled, nor those of a
    deleted user.
    """
    rows = await tx.execute(_REVIVE, {"ids": list(delivery_ids), "horizon": horizon})
    return {row.id: row.event_id for row in rows}


async def extend(tx: Transaction, event_ids: Collection[UUID], horizon: float) -> None:
    """Give the waiting deliveries of these events at least ``horizon`` seconds until it expires."""
    await tx.execute(_EXTEND, {"event_ids": list(event_ids), "horizon": horizon})


async def traces(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """The traceparent of each event that is there."""
    return {row.id: row.traceparent for row in await tx.execute(_TRACES, {"ids": list(event_ids)})}


async def begin(tx: Transaction, wanted: Selection, last: UUID, total: int) -> Redrive:
    """Store a redrive of what meets ``wanted``, up to the letter ``last``."""
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    values = {"selection": json.dumps(given, default=_plain), "last": last, "total": total}
    return _redrive((await tx.execute(_BEGIN, values)).one())


async def find(connection: AsyncConnection, redrive_id: UUID) -> Redrive | None:
    row = (await connection.execute(_FIND, {"id": redrive_id})).one_or_none()
    return _redrive(row) if row else None


async def take(tx: Transaction) -> tuple[UUID, Selection, UUID, UUID | None] | None:
    """An unfinished redrive that no worker processes, locked until the transaction ends.

    Returns its id, what it is of, its last letter, and how far it has come.
    """
    row = (await tx.execute(_TAKE)).one_or_none()
    return (row.id, _selection(row.selection), row.last, row.position) if row else None


async def advance(
    tx: Transaction, redrive_id: UUID, position: UUID | None, *, redriven: int, skipped: int, finished: bool
) -> None:
    await tx.execute(
        _ADVANCE,
        {"id": redrive_id, "position": position, "redriven": redriven, "skipped": skipped, "finished": finished},
    )


async def cancel(tx: Transaction, redrive_id: UUID) -> bool:
    """Finish a redrive where it is, after the batch that is being worked on. False where there is nothing to finish."""
    return (await tx.execute(_CANCEL, {"id": redrive_id})).rowcount == 1


def _plain(value: datetime | UUID) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _selection(stored: dict[str, Any]) -> Selection:
    typed = dict(stored)
    for name in ("event_id", "endpoint_id"):
        if name in stored:
            typed[name] = UUID(stored[name])
    for name in ("from_at", "to_at"):
        if name in stored:
            typed[name] = datetime.fromisoformat(stored[name])
    return Selection(**typed)


def _redrive(row: Row[Any]) -> Redrive:
    return Redrive(
        row.id,
        _selection(row.selection),
        row.total,
        row.redriven,
        row.skipped,
        row.created_at,
        row.finished_at,
        row.cancelled,
    )
