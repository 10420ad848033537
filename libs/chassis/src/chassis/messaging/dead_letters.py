"""Stores messages that could not be parsed or applied, with the reason (docs/architecture.md#reliability-rules)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from opentelemetry import metrics
from pydantic_core import to_json
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.database.database import Database
from chassis.messaging.consumer import Rejection
from chassis.telemetry import tracing

_stored = metrics.get_meter("almanac.dead_letters").create_counter(
    "almanac_dead_letters", description="Messages that became dead letters, by queue and reason"
)

_STORE = text(
    "INSERT INTO dead_letters (id, queue, reason, detail, message_id, body, attributes, trace_id)"
    " VALUES (:id, :queue, :reason, :detail, :message_id, :body, CAST(CAST(:attributes AS text) AS jsonb), :trace_id)"
    " ON CONFLICT (queue, message_id) DO NOTHING"
)
_LIST = text(
    "SELECT id, queue, reason, detail, message_id, body, attributes, trace_id, created_at FROM dead_letters"
    " WHERE (CAST(:queue AS text) IS NULL OR queue = :queue) AND (CAST(:reason AS text) IS NULL OR reason = :reason)"
    " AND (CAST(:before_at AS timestamptz) IS NULL OR (created_at, id) < (:before_at, CAST(:before_id AS uuid)))"
    " ORDER BY created_at DESC, id DESC LIMIT :limit"
)


_COLUMNS = "id, queue, reason, detail, message_id, body, attributes, trace_id, created_at"
_FIND = text(f"SELECT {_COLUMNS} FROM dead_letters WHERE id = :id")  # noqa: S608  # constants
_REDRIVE = text("UPDATE dead_letters SET redrive = true WHERE id = :id AND body <> :erased")
_DISCARD = text("DELETE FROM dead_letters WHERE id = :id")
_NEXT = text(
    f"SELECT {_COLUMNS} FROM dead_letters WHERE queue = :queue AND redrive"  # noqa: S608  # constants
    " ORDER BY id LIMIT 1"
)
SWEEP = text("DELETE FROM dead_letters WHERE created_at < clock_timestamp() - make_interval(secs => :days * 86400.0)")


ERASED_BODY = "[erased: data of a deleted user]"
"""The body of a dead letter that held data of a deleted user."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up. ``reason`` is a word to search by, ``detail`` a sentence for a reader."""

    id: UUID
    queue: str
    reason: str
    detail: str
    message_id: str
    body: str
    attributes: dict[str, Any]
    trace_id: str | None
    created_at: datetime


def keeper(database: Database, queue: str) -> Callable[[Sequence[Rejection]], Awaitable[None]]:
    """How a consumer of ``queue`` keeps its rejections: durably, and once however often a message comes back."""
    for known in ("poison", "not_applied"):  # a counter that began with its first count would not look increased by it
        _stored.add(0, {"queue": queue, "reason": known})

    async def keep(rejections: Sequence[Rejection]) -> None:
        rows = []
        for rejection in rejections:
            parent = tracing.parse(rejection.message.traceparent)
            rows.append(
                {
                    "id": uuid7(),
                    "queue": queue,
                    "reason": rejection.reason,
                    "detail": rejection.detail,
                    "message_id": rejection.message.message_id,
                    # PostgreSQL's text has no NUL; a message may.
                    "body": rejection.message.body.replace("\0", "\\u0000"),
                    "attributes": to_json(rejection.message.attributes).decode().replace("\\u0000", ""),
                    "trace_id": f"{parent.trace_id:032x}" if parent else None,
                }
            )
        async with database.transaction() as tx:
            await tx.execute(_STORE, rows)
        for rejection in rejections:
            _stored.add(1, {"queue": queue, "reason": rejection.reason})

    return keep


async def search(
    database: Database, *, queue: str | None, reason: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[DeadLetter]:
    """Newest first; ``before`` is the position after which a page starts."""
    async with database.read() as connection:
        rows = await connection.execute(
            _LIST,
            {
                "queue": queue,
                "reason": reason,
                "before_at": before[0] if before else None,
                "before_id": before[1] if before else None,
                "limit": limit,
            },
        )
        return [DeadLetter(*row) for row in rows]


async def find(database: Database, letter_id: UUID) -> DeadLetter | None:
    """Return one dead letter, or None."""
    async with database.read() as connection:
        row = (await connection.execute(_FIND, {"id": letter_id})).one_or_none()
    return None if row is None else DeadLetter(*row)


async def request_redrive(database: Database, letter_id: UUID) -> bool:
    """Have a dead letter put back on its queue. False where there is none, or its body was erased."""
    async with database.transaction() as tx:
        return (await tx.execute(_REDRIVE, {"id": letter_id, "erased": ERASED_BODY})).rowcount == 1


async def discard(database: Database, letter_id: UUID) -> bool:
    """Delete a dead letter. False where there is none."""
    async with database.transaction() as tx:
        return (await tx.execute(_DISCARD, {"id": letter_id})).rowcount == 1


async def next_redrive(database: Database, queue: str) -> DeadLetter | None:
    """Return the oldest dead letter of ``queue`` that is to be put back, or None."""
    async with database.read() as connection:
        row = (await connection.execute(_NEXT, {"queue": queue})).one_or_none()
    return None if row is None else DeadLetter(*row)
