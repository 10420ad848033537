"""The table ``delivery_dead_letters``."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Transaction
from delivery_service.domain.dead_letters import DeadLetter, DeadLetterStatus, Selection

_COLUMNS = (
    "id, status, reason, detail, delivery_id, event_id, user_id, event_type, priority, endpoint_id, payload, attempts,"
    " http_status, trace_id, queue, created_at, resolved_at, note"
)
_ANNOUNCED = "id, reason, detail, event_id, user_id, event_type, priority, endpoint_id, attempts, created_at"
_BURY = """
WITH buried AS (
    INSERT INTO delivery_dead_letters (id, status, reason, detail, delivery_id, event_id, user_id, event_type, priority,
                                       endpoint_id, payload, attempts, http_status, trace_id, created_at)
    SELECT new_id(), 'OPEN', d.reason, coalesce(a.error, 'HTTP ' || a.http_status), {delivery_id}, e.id, e.user_id,
           e.event_type, e.priority, d.endpoint_id, e.due, d.attempts, a.http_status,
           coalesce(a.trace_id, split_part(e.traceparent, '-', 2)), c.now
    FROM deliveries d JOIN events e ON e.id = d.event_id
    CROSS JOIN (SELECT almanac_now() AS now) c
    LEFT JOIN attempts a ON a.delivery_id = d.id AND a.number = d.attempts
    WHERE {which}
    RETURNING {announced}
)
SELECT b.*, e.traceparent, e.operational FROM buried b JOIN events e ON e.id = b.event_id
"""
_BURY_DELIVERIES = text(
    _BURY.format(delivery_id="d.id", which="d.id = ANY (CAST(:ids AS uuid[]))", announced=_ANNOUNCED)
)
_BURY_UNWANTED = text(
    _BURY.format(
        delivery_id="CAST(NULL AS uuid)",
        which="d.event_id = ANY (CAST(:ids AS uuid[])) AND d.endpoint_id IS NULL",
        announced=_ANNOUNCED,
    )
)
_BURY_MESSAGES = text(f"""
INSERT INTO delivery_dead_letters (id, status, reason, detail, event_id, user_id, event_type, priority, payload,
                                   attempts, trace_id, queue, message_id, created_at)
SELECT new_id(), 'OPEN', m.reason, m.detail, m.event_id, m.user_id, m.event_type, m.priority, m.payload, 0, m.trace_id,
       :queue, m.message_id, almanac_now()
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:reasons AS text[]), CAST(:details AS text[]), CAST(:payloads AS text[]),
    CAST(:event_ids AS uuid[]), CAST(:user_ids AS uuid[]), CAST(:event_types AS text[]),
    CAST(:priorities AS smallint[]), CAST(:trace_ids AS text[])
) AS m (message_id, reason, detail, payload, event_id, user_id, event_type, priority, trace_id)
ON CONFLICT (queue, message_id) DO NOTHING
RETURNING {_ANNOUNCED}, NULL AS traceparent, false AS operational
""")

_CONDITIONS = {
    "event_type": "event_type = :event_type",
    "event_id": "event_id = :event_id",
    "endpoint_id": "endpoint_id = :endpoint_id",
    "reason": "reason = :reason",
    "status": "status = :status",
    "from_at": "created_at >= :from_at",
    "to_at": "created_at < :to_at",
    "before": "id < :before",
    "after": "id > :after",
    "last": "id <= :last",
}
_FIND = text(f"SELECT {_COLUMNS} FROM delivery_dead_letters WHERE id = :id")
_EVENTS = text(
    "SELECT DISTINCT event_id FROM delivery_dead_letters"
    " WHERE id = ANY (CAST(:ids AS uuid[])) AND event_id IS NOT NULL AND queue IS NULL"
)
_LOCK = text(
    f"SELECT {_COLUMNS} FROM delivery_dead_letters WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'OPEN'"
    " ORDER BY id FOR UPDATE"
)
_RESOLVE = text(
    "UPDATE delivery_dead_letters SET status = :status, resolved_at = almanac_now(), note = :note"
    " WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'OPEN'"
)
_RESOLVE_OF_DELIVERIES = text(
    "UPDATE delivery_dead_letters SET status = 'REDRIVEN', resolved_at = almanac_now()"
    " WHERE event_id = ANY (CAST(:event_ids AS uuid[])) AND status = 'OPEN' AND queue IS NULL"
    " AND (CAST(:delivery_ids AS uuid[]) IS NULL OR delivery_id = ANY (CAST(:delivery_ids AS uuid[])))"
)
_NEWEST = text("SELECT id FROM delivery_dead_letters ORDER BY id DESC LIMIT 1")
_SWEEP = text("""
DELETE FROM delivery_dead_letters WHERE id IN (
    SELECT id FROM delivery_dead_letters WHERE created_at < (SELECT almanac_now()) - make_interval(secs => :seconds)
    LIMIT :limit
)
""")


@dataclass(frozen=True, slots=True)
class UnreadMessage:
    """A message that could not be read, with what its attributes say about its event."""

    message_id: str
    reason: str
    detail: str
    payload: str
    event_id: UUID | None
    user_id: UUID | None
    event_type: str | None
    priority: int | None
    trace_id: str | None


async def insert_for_deliveries(tx: Transaction, delivery_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Keep failed deliveries as dead letters. Returns the message to publish for each."""
    return (await tx.execute(_BURY_DELIVERIES, {"ids": delivery_ids})).all()


async def insert_for_unmatched(tx: Transaction, event_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The same for events that no endpoint wants."""
    return (await tx.execute(_BURY_UNWANTED, {"ids": event_ids})).all()


async def insert_for_messages(tx: Transaction, queue: str, messages: Sequence[UnreadMessage]) -> Sequence[Row[Any]]:
    """The same for messages. One that has come before is kept once, and not returned again."""
    rows = await tx.execute(
        _BURY_MESSAGES,
        {
            "queue": queue,
            "message_ids": [each.message_id for each in messages],
            "reasons": [each.reason for each in messages],
            "details": [each.detail for each in messages],
            "payloads": [each.payload for each in messages],
            "event_ids": [each.event_id for each in messages],
            "user_ids": [each.user_id for each in messages],
            "event_types": [each.event_type for each in messages],
            "priorities": [each.priority for each in messages],
            "trace_ids": [each.trace_id for each in messages],
        },
    )
    return rows.all()


async def find(connection: AsyncConnection, letter_id: UUID) -> DeadLetter | None:
    row = (await connection.execute(_FIND, {"id": letter_id})).one_or_none()
    return _letter(row) if row else None


async def search(
    connection: AsyncConnection, wanted: Selection, before: UUID | None, limit: int
) -> Sequence[DeadLetter]:
    """Newest first, before the id ``before``."""
    given = _given(wanted, before=before)
    rows = await connection.execute(_search(frozenset(given)), {**given, "limit": limit})
    return [_letter(row) for row in rows]


async def newest(tx: Transaction) -> UUID:
    """The id of the newest; where there is none, one that none comes before."""
    return (await tx.execute(_NEWEST)).scalars().first() or UUID(int=0)


async def count(tx: Transaction, wanted: Selection, last: UUID) -> int:
    given = _given(wanted, last=last)
    total: int = (await tx.execute(_count(frozenset(given)), given)).scalar_one()
    return total


async def after(tx: Transaction, wanted: Selection, position: UUID | None, last: UUID, limit: int) -> list[UUID]:
    """Ids in their order, after ``position`` and up to ``last``."""
    given = _given(wanted, after=position, last=last)
    return list((await tx.execute(_after(frozenset(given)), {**given, "limit": limit})).scalars())


async def events_of(tx: Transaction, ids: Collection[UUID]) -> list[UUID]:
    """The events that letters belong to, other than by a message that could not be read."""
    return list((await tx.execute(_EVENTS, {"ids": list(ids)})).scalars())


async def lock_open(tx: Transaction, ids: Collection[UUID]) -> list[DeadLetter]:
    """Those that are open, kept from other writers until the transaction ends. Lock their events before."""
    return [_letter(row) for row in await tx.execute(_LOCK, {"ids": list(ids)})]


async def resolve(tx: Transaction, ids: Collection[UUID], status: DeadLetterStatus, note: str | None = None) -> int:
    """Close those that are open. Returns how many were."""
    if not ids:
        return 0
    return (await tx.execute(_RESOLVE, {"ids": list(ids), "status": status, "note": note})).rowcount


async def resolve_redriven(
    tx: Transaction, event_ids: Collection[UUID], delivery_ids: Collection[UUID] | None = None
) -> None:
    """Close the letters of events whose deliveries are on their way again; of all deliveries, or of the given ones."""
    if event_ids:
        await tx.execute(
            _RESOLVE_OF_DELIVERIES,
            {
                "event_ids": list(event_ids),
                "delivery_ids": None if delivery_ids is None else list(delivery_ids),
            },
        )


async def sweep(tx: Transaction, seconds: float, limit: int) -> int:
    """Delete up to ``limit`` that are older than this, open or not. Returns how many."""
    return (await tx.execute(_SWEEP, {"seconds": seconds, "limit": limit})).rowcount


def _given(wanted: Selection, **position: UUID | None) -> dict[str, Any]:
    return {name: value for name, value in (asdict(wanted) | position).items() if value is not None}


# One statement for each set of filters: `:status IS NULL OR …` in one for all would keep PostgreSQL off indexes.
@cache
def _search(given: frozenset[str]) -> TextClause:
    return text(f"SELECT {_COLUMNS} FROM delivery_dead_letters{_where(given)} ORDER BY id DESC LIMIT :limit")


@cache
def _count(given: frozenset[str]) -> TextClause:
    return text(f"SELECT count(*) FROM delivery_dead_letters{_where(given)}")


@cache
def _after(given: frozenset[str]) -> TextClause:
    return text(f"SELECT id FROM delivery_dead_letters{_where(given)} ORDER BY id LIMIT :limit")


def _where(given: frozenset[str]) -> str:
    conditions = [condition for name, condition in _CONDITIONS.items() if name in given]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(**{**row._asdict(), "status": DeadLetterStatus(row.status)})
