"""Reading ``deliveries``, their ``attempts`` and the outcomes of events."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Transaction
from delivery_service.domain.attempts import Attempt, Verdict
from delivery_service.domain.deliveries import Delivery, DeliveryStatus, Search

_SELECT = (
    "SELECT d.id, d.event_id, e.user_id, e.event_type, d.endpoint_id, d.channel, d.priority, d.status, d.reason,"
    " d.attempts, CASE WHEN d.status = 'PENDING' AND d.lease IS NULL THEN d.due_at END AS next_attempt_at,"
    " d.http_status, d.latency_seconds, e.target_at, coalesce(d.expires_at, e.expires_at) AS expires_at, d.created_at,"
    " d.finished_at"
    " FROM deliveries d JOIN events e ON e.id = d.event_id"
)
_FIND = text(f"{_SELECT} WHERE d.id = :id")
_CONDITIONS = {
    "event_id": "d.event_id = :event_id",
    "endpoint_id": "d.endpoint_id = :endpoint_id",
    "user_id": "e.user_id = :user_id",
    "status": "d.status = :status",
    "reason": "d.reason = :reason",
    "from_at": "d.created_at >= :from_at",
    "to_at": "d.created_at < :to_at",
    "before": "d.id < :before",
}
ATTEMPT = (
    "a.verdict, a.http_status, a.error, a.headers, a.excerpt, a.started_at, a.duration_seconds, a.trace_id, a.detail"
)
"""What a statement selects of ``attempts a``."""

_ATTEMPTS = text(f"SELECT {ATTEMPT} FROM attempts a WHERE a.delivery_id = :id ORDER BY a.number")
_OUTCOMES = text(
    "SELECT e.id, e.user_id, e.event_type, e.priority, e.attempt, e.target_at, e.received_at, e.finished_at, e.late,"
    " e.queue_seconds, e.traceparent, d.endpoint_id, d.status, d.reason, d.attempts, d.http_status, d.latency_seconds,"
    # For a delivery older than the column, to a deleted endpoint, the kind is unknown.
    " coalesce(d.channel, p.kind, 'webhook') AS channel,"
    # Only a redrive gives a delivery an expiry of its own.
    " d.expires_at IS NOT NULL AS redriven"
    " FROM events e JOIN deliveries d ON d.event_id = e.id LEFT JOIN endpoints p ON p.id = d.endpoint_id"
    " WHERE e.id = ANY (CAST(:ids AS uuid[])) AND NOT e.operational"
    " ORDER BY e.id, d.id"
)


class Outcome(NamedTuple):
    """A delivery of a finished event, with the data for the event's outcome. Without an endpoint: none wanted it."""

    event_id: UUID
    user_id: UUID
    event_type: str
    priority: int
    attempt: int
    target_at: datetime
    received_at: datetime
    finished_at: datetime
    late: bool
    queue_seconds: float | None
    traceparent: str | None
    endpoint_id: UUID | None
    status: str
    reason: str | None
    attempts: int
    http_status: int | None
    latency_seconds: float | None
    channel: str
    redriven: bool


async def find(connection: AsyncConnection, delivery_id: UUID) -> Delivery | None:
    row = (await connection.execute(_FIND, {"id": delivery_id})).one_or_none()
    return _delivery(row) if row else None


async def attempts(connection: AsyncConnection, delivery_id: UUID) -> Sequence[Attempt]:
    """Oldest first."""
    rows = await connection.execute(_ATTEMPTS, {"id": delivery_id})
    return [attempt(row) for row in rows]


def attempt(row: Row[Any]) -> Attempt:
    """Of a row with the columns ``ATTEMPT``."""
    return Attempt(
        verdict=Verdict(row.verdict),
        http_status=row.http_status,
        fault=row.error,
        headers=row.headers,
        excerpt=row.excerpt,
        started_at=row.started_at,
        duration_seconds=row.duration_seconds,
        trace_id=row.trace_id,
        detail=row.detail,
    )


async def search(connection: AsyncConnection, wanted: Search, limit: int) -> Sequence[Delivery]:
    """Newest first."""
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    rows = await connection.execute(_search(frozenset(given)), {**given, "limit": limit})
    return [_delivery(row) for row in rows]


async def outcomes(tx: Transaction, event_ids: Sequence[UUID]) -> list[Outcome]:
    """How events stand: one for each delivery, those of an event together and in the order of its fan-out."""
    # Not as rows: looking each value up by name is a good part of what an outcome costs.
    return [Outcome._make(row) for row in await tx.execute(_OUTCOMES, {"ids": event_ids})]


@cache
def _search(given: frozenset[str]) -> TextClause:
    # One statement for each set of filters: `:status IS NULL OR …` in one for all would keep PostgreSQL off indexes.
    conditions = [condition for name, condition in _CONDITIONS.items() if name in given]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return text(f"{_SELECT}{where} ORDER BY d.id DESC LIMIT :limit")


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        user_id=row.user_id,
        event_type=row.event_type,
        endpoint_id=row.endpoint_id,
        channel=row.channel,
        priority=row.priority,
        status=DeliveryStatus(row.status),
        reason=row.reason,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        http_status=row.http_status,
        latency_seconds=row.latency_seconds,
        target_at=row.target_at,
        expires_at=row.expires_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
