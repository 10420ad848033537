"""Claiming, recording and releasing deliveries: leases with a fencing token (design §6.4)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from delivery_service.adapters.endpoints import TARGET, target
from delivery_service.domain.deliveries import Dispatch, Lease, Reason, Result

# (SELECT clock_timestamp()) is evaluated once; written plainly it is volatile and keeps the index from being used.
_CLAIM = text(f"""
WITH due AS (
    SELECT id, lease IS NOT NULL AS abandoned FROM deliveries
    WHERE status = 'PENDING' AND priority = :priority AND due_at <= (SELECT clock_timestamp())
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE deliveries d
    SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.event_id, d.endpoint_id, d.tries, d.expires_at, due.abandoned
)
SELECT c.id AS delivery_id, c.event_id, c.endpoint_id, c.tries, c.abandoned, e.due, x.expires_at, e.traceparent,
       x.expires_at <= (SELECT almanac_now()) AS expired, p.enabled, {TARGET}
FROM claimed c JOIN events e ON e.id = c.event_id
CROSS JOIN LATERAL (SELECT coalesce(c.expires_at, e.expires_at) AS expires_at) x
LEFT JOIN endpoints p ON p.id = c.endpoint_id
""")
_NEXT_DUE = text(
    "SELECT CAST(extract(epoch FROM min(due_at) - clock_timestamp()) AS float8) FROM deliveries"
    " WHERE status = 'PENDING' AND priority = :priority"
)

# One statement decides, keeps the attempt and counts down. Several deliveries of one event may be in the batch, so they
# are added up first; the events are locked in one order, so that two recorders cannot deadlock.
_RECORD = text(f"""
WITH given AS (
    SELECT *, retry_in IS NOT NULL AND retry_in >= almanac_real_delay(expires_at) AS too_late FROM unnest(
        CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
        CAST(:retry_ins AS float8[]), CAST(:expiries AS timestamptz[]), CAST(:verdicts AS text[]),
        CAST(:http_statuses AS smallint[]), CAST(:faults AS text[]), CAST(:headers AS text[]),
        CAST(:excerpts AS text[]), CAST(:started AS timestamptz[]), CAST(:durations AS float8[]),
        CAST(:trace_ids AS text[])
    ) AS g (id, lease, status, reason, retry_in, expires_at, verdict, http_status, fault, headers, excerpt, started_at,
            duration, trace_id)
), result AS (
    SELECT *, CASE WHEN too_late THEN 'FAILED' ELSE status END AS becomes,
           CASE WHEN too_late THEN '{Reason.EXPIRED}' ELSE reason END AS because,
           CASE WHEN verdict IS NULL THEN 0 ELSE 1 END AS made
    FROM given
), updated AS (
    UPDATE deliveries d
    SET status = r.becomes, reason = r.because, attempts = d.attempts + r.made, tries = d.tries + r.made, lease = NULL,
        due_at = clock_timestamp() + make_interval(secs => coalesce(r.retry_in, 0)),
        http_status = CASE WHEN r.made = 1 THEN r.http_status ELSE d.http_status END,
        latency_seconds = coalesce(r.duration, d.latency_seconds),
        finished_at = CASE WHEN r.becomes <> 'PENDING' THEN clock_timestamp() END
    FROM result r
    WHERE d.id = r.id AND d.lease = r.lease AND d.status = 'PENDING'
    RETURNING d.id, d.event_id, d.status, d.reason, d.attempts
), kept AS (
    INSERT INTO attempts (delivery_id, number, verdict, http_status, error, headers, excerpt, started_at,
                          duration_seconds, trace_id)
    SELECT u.id, u.attempts, r.verdict, r.http_status, r.fault, CAST(r.headers AS jsonb), r.excerpt, r.started_at,
           r.duration, r.trace_id
    FROM updated u JOIN result r ON r.id = u.id WHERE r.made = 1
), ended AS (
    SELECT event_id, count(*) AS deliveries FROM updated WHERE status <> 'PENDING' GROUP BY event_id
), locked AS (
    SELECT e.id, n.deliveries FROM events e JOIN ended n ON n.event_id = e.id ORDER BY e.id FOR NO KEY UPDATE OF e
), counted AS (
    UPDATE events e
    SET remaining = e.remaining - l.deliveries,
        finished_at = CASE WHEN e.remaining = l.deliveries THEN almanac_now() END
    FROM locked l WHERE e.id = l.id
    RETURNING e.id, e.remaining = 0 AS finished
)
SELECT u.id, u.event_id, u.status, u.reason, coalesce(c.finished, false) AS finished
FROM updated u LEFT JOIN counted c ON c.id = u.event_id
""")
_RELEASE = text(
    "UPDATE deliveries d SET lease = NULL, due_at = clock_timestamp()"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS r (id, lease)"
    " WHERE d.id = r.id AND d.lease = r.lease AND d.status = 'PENDING'"
)
_HURRY = text(
    "UPDATE deliveries SET due_at = clock_timestamp() WHERE id = :id AND status = 'PENDING' AND lease IS NULL"
)
_SEIZE = text("""
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM events e WHERE d.id = :id AND d.status = 'PENDING' AND d.lease IS NULL AND e.id = d.event_id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries in hand; ``abandoned`` counts those whose earlier lease had ended without a result."""

    dispatches: list[Dispatch]
    abandoned: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A result that counted. ``finished`` says that its event has no delivery left to wait for."""

    delivery_id: UUID
    event_id: UUID
    status: str
    reason: str | None
    finished: bool


async def claim(tx: Transaction, priority: int, limit: int, lease: Lease) -> Claimed:
    """Take up to ``limit`` deliveries of a priority that are due: retries, and leases that nobody kept."""
    rows = await tx.execute(
        _CLAIM, {"priority": priority, "limit": limit, "lease": lease.token, "lease_seconds": lease.seconds}
    )
    claimed: list[Dispatch] = []
    abandoned = 0
    for row in rows:
        abandoned += row.abandoned
        # What was switched off or deleted while a delivery waited gets nothing more.
        hindrance = Reason.EXPIRED if row.expired else None if row.enabled else Reason.CANCELLED
        claimed.append(
            Dispatch(
                delivery_id=row.delivery_id,
                event_id=row.event_id,
                lease=lease,
                tries=row.tries,
                due=row.due,
                expires_at=row.expires_at,
                traceparent=row.traceparent,
                target=hindrance or target(row),
            )
        )
    return Claimed(claimed, abandoned)


async def next_due(tx: Transaction, priority: int) -> float | None:
    """Seconds until the next delivery of a priority is due, None where nothing waits or is in hand."""
    seconds: float | None = (await tx.execute(_NEXT_DUE, {"priority": priority})).scalar_one()
    return seconds


async def record(tx: Transaction, results: Sequence[Result]) -> list[Recorded]:
    """Record results. Those whose lease has passed to another worker are left out of the answer, and change nothing."""
    attempts = [each.attempt for each in results]
    rows = await tx.execute(
        _RECORD,
        {
            "ids": [each.dispatch.delivery_id for each in results],
            "leases": [each.dispatch.lease.token for each in results],
            "statuses": [each.status for each in results],
            "reasons": [each.reason for each in results],
            "retry_ins": [each.retry_in for each in results],
            "expiries": [each.dispatch.expires_at for each in results],
            "verdicts": [each and each.verdict for each in attempts],
            "http_statuses": [each and each.http_status for each in attempts],
            "faults": [each and each.fault for each in attempts],
            "headers": [json.dumps(dict(each.headers)) if each and each.headers else None for each in attempts],
            "excerpts": [each and each.excerpt for each in attempts],
            "started": [each and each.started_at for each in attempts],
            "durations": [each and each.duration_seconds for each in attempts],
            "trace_ids": [each and each.trace_id for each in attempts],
        },
    )
    return [Recorded(row.id, row.event_id, row.status, row.reason, row.finished) for row in rows]


async def release(tx: Transaction, dispatches: Sequence[Dispatch]) -> None:
    """Give back what was not begun, so that any worker may take it at once."""
    await tx.execute(
        _RELEASE,
        {
            "ids": [each.delivery_id for each in dispatches],
            "leases": [each.lease.token for each in dispatches],
        },
    )


async def hurry(tx: Transaction, delivery_id: UUID) -> bool:
    """Make a delivery that waits due now. False where it does not wait."""
    return (await tx.execute(_HURRY, {"id": delivery_id})).rowcount == 1


async def seize(tx: Transaction, delivery_id: UUID, lease: Lease) -> Dispatch | None:
    """Take a delivery that waits out of everybody's reach, to be cancelled. None where it does not wait."""
    values = {"id": delivery_id, "lease": lease.token, "lease_seconds": lease.seconds}
    row = (await tx.execute(_SEIZE, values)).one_or_none()
    if row is None:
        return None
    return Dispatch(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        lease=lease,
        tries=row.tries,
        due=row.due,
        expires_at=row.expires_at,
        traceparent=row.traceparent,
        target=Reason.CANCELLED,
    )
