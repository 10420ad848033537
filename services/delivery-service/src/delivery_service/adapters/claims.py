"""Claims, records and releases deliveries by leases with a fencing token (docs/architecture.md#reliability-rules)."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.database.database import Transaction
from contracts.vocabulary import FailureReason, Priority
from delivery_service.adapters.endpoints import TARGET, ended_by, target
from delivery_service.domain.deliveries import Dispatch, Lease, Result, Target

PROBE_SECONDS = 60.0
"""After that a probe counts as lost, with the worker that made it, and another may be made."""

# The endpoints with something pending are found by skipping through the index, and of each no more is taken than it has
# room for: deliveries that wait for an endpoint cost only their place in the index, and block no others.
# Deliveries for a disabled or deleted endpoint are claimed whenever their next attempt would be, to be ended.
# Probes go first. A circuit is half open only where a delivery was claimed to probe it: otherwise it would stay so
# until the probe counts as lost.
# (SELECT clock_timestamp()) is evaluated once; written plainly it is volatile and keeps the index from being used.
_PENDING = """
pending AS (
    (SELECT endpoint_id, due_at FROM deliveries WHERE status = 'PENDING' AND priority = :priority
     ORDER BY endpoint_id, due_at LIMIT 1)
    UNION ALL
    SELECT n.endpoint_id, n.due_at FROM pending p CROSS JOIN LATERAL (
        SELECT d.endpoint_id, d.due_at FROM deliveries d
        WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id > p.endpoint_id
        ORDER BY d.endpoint_id, d.due_at LIMIT 1
    ) n
)"""
# The same of named endpoints alone.
_PENDING_OF = """
pending AS (
    SELECT o.endpoint_id, n.due_at FROM unnest(CAST(:endpoint_ids AS uuid[])) AS o (endpoint_id) CROSS JOIN LATERAL (
        SELECT d.due_at FROM deliveries d
        WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id = o.endpoint_id
        ORDER BY d.due_at LIMIT 1
    ) n
)"""
_ROOMS = "unnest(CAST(:rooms_of AS uuid[]), CAST(:rooms AS integer[])) AS r (endpoint_id, room)"
_ROOM = "coalesce(r.room, least(CAST(:default_room AS integer), 2 * p.concurrency))"
_CLAIM = f""", gates AS (
    SELECT w.endpoint_id, p.rate_limit, coalesce(p.enabled, false) AS enabled, {_ROOM} AS room,
           coalesce(c.state, 'CLOSED') AS state, coalesce(c.generation, 0) AS generation,
           coalesce(c.in_row, 0) > 0 AS failing
    FROM pending w LEFT JOIN endpoints p ON p.id = w.endpoint_id
    LEFT JOIN circuits c ON c.endpoint_id = w.endpoint_id LEFT JOIN {_ROOMS} ON r.endpoint_id = w.endpoint_id
    WHERE w.due_at <= (SELECT clock_timestamp()) OR p.enabled IS NOT TRUE
), probes AS (
    SELECT d.id, c.endpoint_id
    FROM gates g JOIN circuits c ON c.endpoint_id = g.endpoint_id AND c.state <> 'CLOSED'
                                AND c.probe_at <= (SELECT clock_timestamp())
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE status = 'PENDING' AND priority = :priority AND endpoint_id = g.endpoint_id
          AND due_at <= (SELECT clock_timestamp())
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) d WHERE g.enabled AND g.room > 0
    LIMIT CAST(:limit AS integer) FOR UPDATE OF c SKIP LOCKED
), probed AS (
    UPDATE circuits c
    SET state = 'HALF_OPEN', probe = b.id, probe_at = clock_timestamp() + make_interval(secs => :probe_seconds)
    FROM probes b WHERE c.endpoint_id = b.endpoint_id
    RETURNING b.id, c.generation
), wanted AS (
    SELECT g.endpoint_id, g.rate_limit, floor(greatest(1, g.rate_limit)) AS burst, n.deliveries
    FROM gates g CROSS JOIN LATERAL (
        SELECT count(*) AS deliveries FROM (
            SELECT FROM deliveries d WHERE d.status = 'PENDING' AND d.priority = :priority
              AND d.endpoint_id = g.endpoint_id AND d.due_at <= (SELECT clock_timestamp()) LIMIT g.room
        ) up_to
    ) n WHERE g.enabled AND g.room > 0 AND g.state = 'CLOSED' AND g.rate_limit IS NOT NULL
), metered AS (
    INSERT INTO meters AS m (endpoint_id, rate, tokens, refilled_at, granted)
    SELECT endpoint_id, rate_limit, burst - least(deliveries, burst), clock_timestamp(), least(deliveries, burst)
    FROM wanted ORDER BY endpoint_id
    ON CONFLICT (endpoint_id) DO UPDATE
    SET (rate, refilled_at, granted, tokens) = (
        SELECT excluded.rate, excluded.refilled_at, g.granted, b.tokens - g.granted
        FROM (SELECT least(
            excluded.tokens + excluded.granted,
            m.tokens + greatest(0, extract(epoch FROM excluded.refilled_at - m.refilled_at)) * excluded.rate
        ) AS tokens) b CROSS JOIN LATERAL (SELECT least(excluded.granted, floor(b.tokens)) AS granted) g
    )
    RETURNING m.endpoint_id, m.granted
), grants AS (
    SELECT endpoint_id, CAST(:limit AS integer) AS deliveries, generation, failing, true AS ended
    FROM gates WHERE NOT enabled
    UNION ALL SELECT m.endpoint_id, m.granted, g.generation, g.failing, false
              FROM metered m JOIN gates g ON g.endpoint_id = m.endpoint_id WHERE m.granted > 0
    UNION ALL SELECT endpoint_id, room, generation, failing, false FROM gates
              WHERE enabled AND room > 0 AND state = 'CLOSED' AND rate_limit IS NULL
), due AS (
    SELECT * FROM (
        SELECT d.id, d.lease IS NOT NULL AS abandoned, b.generation, true AS failing, true AS probe
        FROM probed b JOIN deliveries d ON d.id = b.id
        UNION ALL
        SELECT d.id, d.abandoned, g.generation, g.failing, false
        FROM (
            SELECT *, CASE WHEN ended THEN 'infinity' ELSE (SELECT clock_timestamp()) END AS until
            FROM grants ORDER BY random()
        ) g CROSS JOIN LATERAL (
            SELECT id, lease IS NOT NULL AS abandoned FROM deliveries
            WHERE status = 'PENDING' AND priority = :priority AND endpoint_id = g.endpoint_id
              AND due_at <= g.until AND (lease IS NULL OR due_at <= (SELECT clock_timestamp()))
            ORDER BY due_at LIMIT g.deliveries FOR UPDATE SKIP LOCKED
        ) d
    ) a LIMIT CAST(:limit AS integer)
), claimed AS (
    UPDATE deliveries d
    SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds),
        leases_lost = d.leases_lost + CAST(due.abandoned AS integer)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.event_id, d.endpoint_id, d.tries, d.expires_at, due.abandoned, due.generation, due.failing,
              due.probe, due.abandoned AND d.leases_lost > 1 AS abandoned_again
)
SELECT c.id AS delivery_id, c.event_id, c.endpoint_id, c.tries, c.abandoned, e.operational, e.due, x.expires_at,
       e.traceparent, c.abandoned_again,
       x.expires_at <= (SELECT almanac_now()) AS expired, p.enabled, c.generation, c.failing, c.probe, {TARGET}
FROM claimed c JOIN events e ON e.id = c.event_id
CROSS JOIN LATERAL (SELECT coalesce(c.expires_at, e.expires_at) AS expires_at) x
LEFT JOIN endpoints p ON p.id = c.endpoint_id
"""
_CLAIM_ANY = text(f"WITH RECURSIVE {_PENDING}{_CLAIM}")
_CLAIM_OF = text(f"WITH {_PENDING_OF}{_CLAIM}")
# Due deliveries that could not be claimed wait for their endpoint: for the circuit's probe, or for a token.
_QUEUES = text(f"""
WITH RECURSIVE {_PENDING}
SELECT w.endpoint_id, CAST(extract(epoch FROM w.due_at - n.now) AS float8) AS due_in,
       CAST(greatest(extract(epoch FROM c.probe_at - n.now),
                     (1 - m.tokens) / m.rate - extract(epoch FROM n.now - m.refilled_at)) AS float8) AS open_in
FROM pending w CROSS JOIN (SELECT clock_timestamp() AS now) n
LEFT JOIN endpoints p ON p.id = w.endpoint_id
LEFT JOIN circuits c ON c.endpoint_id = w.endpoint_id
LEFT JOIN meters m ON m.endpoint_id = w.endpoint_id AND p.rate_limit IS NOT NULL
""")
# Those who wait for their endpoint are not looked at one by one, so their expiry is looked for.
_EXPIRED = text("""
WITH due AS (
    SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event_id
    WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id = ANY (CAST(:endpoint_ids AS uuid[]))
      AND d.due_at <= (SELECT clock_timestamp()) AND d.lease IS NULL
      AND coalesce(d.expires_at, e.expires_at) <= (SELECT almanac_now())
    LIMIT CAST(:limit AS integer) FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d
SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM due JOIN deliveries o ON o.id = due.id JOIN events e ON e.id = o.event_id WHERE d.id = due.id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent
""")

# One statement decides, keeps the attempt and counts down. Several deliveries of one event may be in the batch, so they
# are added up first; the events are locked in one order, so that two recorders cannot deadlock.
_RECORD = text(f"""
WITH given AS (
    SELECT *, retry_in IS NOT NULL AND retry_in >= almanac_real_delay(expires_at) AS too_late FROM unnest(
        CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
        CAST(:retry_ins AS float8[]), CAST(:expiries AS timestamptz[]), CAST(:verdicts AS text[]),
        CAST(:http_statuses AS smallint[]), CAST(:faults AS text[]), CAST(:headers AS text[]),
        CAST(:excerpts AS text[]), CAST(:started AS timestamptz[]), CAST(:durations AS float8[]),
        CAST(:trace_ids AS text[]), CAST(:details AS text[])
    ) AS g (id, lease, status, reason, retry_in, expires_at, verdict, http_status, fault, headers, excerpt, started_at,
            duration, trace_id, detail)
), result AS (
    SELECT *, CASE WHEN too_late THEN 'FAILED' ELSE status END AS becomes,
           CASE WHEN too_late THEN '{FailureReason.EXPIRED}' ELSE reason END AS because,
           CASE WHEN verdict IS NULL THEN 0 ELSE 1 END AS made
    FROM given
), updated AS (
    UPDATE deliveries d
    SET status = r.becomes, reason = r.because, attempts = d.attempts + r.made, tries = d.tries + r.made, lease = NULL,
        leases_lost = 0,
        due_at = clock_timestamp() + make_interval(secs => coalesce(r.retry_in, 0)),
        http_status = CASE WHEN r.made = 1 THEN r.http_status ELSE d.http_status END,
        latency_seconds = coalesce(r.duration, d.latency_seconds),
        finished_at = CASE WHEN r.becomes <> 'PENDING' THEN clock_timestamp() END
    FROM result r
    WHERE d.id = r.id AND d.lease = r.lease AND d.status = 'PENDING'
    RETURNING d.id, d.event_id, d.status, d.reason, d.attempts
), kept AS (
    INSERT INTO attempts (delivery_id, number, verdict, http_status, error, headers, excerpt, started_at,
                          duration_seconds, trace_id, detail)
    SELECT u.id, u.attempts, r.verdict, r.http_status, r.fault, CAST(r.headers AS jsonb), r.excerpt, r.started_at,
           r.duration, r.trace_id, r.detail
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
_HURRY = text("""
WITH waiting AS (
    SELECT d.id, p.id IS NOT NULL AS enabled
    FROM deliveries d LEFT JOIN endpoints p ON p.id = d.endpoint_id AND p.enabled
    WHERE d.id = :id AND d.status = 'PENDING' AND d.lease IS NULL FOR UPDATE OF d
), hurried AS (
    UPDATE deliveries d SET due_at = clock_timestamp() FROM waiting w WHERE d.id = w.id AND w.enabled
)
SELECT enabled FROM waiting
""")
_SEIZE = text("""
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM events e WHERE d.id = :id AND d.status = 'PENDING' AND d.lease IS NULL AND e.id = d.event_id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent
""")
# By the index of what is pending: an endpoint's history can be a thousand times longer.
_SEIZE_ENDED = text("""
WITH waiting AS (
    SELECT d.id, p.id IS NOT NULL AS found
    FROM deliveries d LEFT JOIN endpoints p ON p.id = d.endpoint_id
    WHERE d.status = 'PENDING' AND d.priority = ANY (CAST(:priorities AS smallint[])) AND d.endpoint_id = :endpoint_id
      AND d.lease IS NULL AND p.enabled IS NOT TRUE
    LIMIT CAST(:limit AS integer) FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM waiting w JOIN deliveries o ON o.id = w.id JOIN events e ON e.id = o.event_id WHERE d.id = w.id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent, w.found
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries claimed, and how many ``by_endpoint``.

    ``abandoned`` counts those whose earlier lease had ended without a recorded attempt. ``abandoned_again`` are those
    to which that happened at least twice in a row.
    """

    dispatches: list[Dispatch]
    by_endpoint: Mapping[UUID, int]
    abandoned: int
    abandoned_again: list[UUID]


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many more deliveries of an endpoint a worker can take; ``default`` of those that are not named."""

    of: Mapping[UUID, int]
    default: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An endpoint with something pending, the first of it due in ``due_in`` seconds (negative: waiting since).

    ``open_in``: seconds until its circuit or its rate limit lets something through, None where they always do.
    """

    endpoint_id: UUID
    due_in: float
    open_in: float | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A result that counted. ``finished`` says that its event has no delivery left to wait for."""

    delivery_id: UUID
    event_id: UUID
    status: str
    reason: str | None
    finished: bool


async def claim(
    tx: Transaction,
    priority: int,
    limit: int,
    lease: Lease,
    capacity: Capacity,
    endpoint_ids: Collection[UUID] | None = None,
) -> Claimed:
    """Take up to ``limit`` deliveries of a priority that are due: new ones, retries, and expired leases.

    Of each endpoint as many as there is room for, its rate limit allows and its circuit lets through. With
    ``endpoint_ids`` of these alone, without a look at every endpoint that has something pending.
    """
    parameters = {
        "priority": priority,
        "limit": limit,
        "lease": lease.token,
        "lease_seconds": lease.seconds,
        "rooms_of": list(capacity.of),
        "rooms": list(capacity.of.values()),
        "default_room": capacity.default,
        "probe_seconds": PROBE_SECONDS,
    }
    if endpoint_ids is None:
        rows = await tx.execute(_CLAIM_ANY, parameters)
    else:
        rows = await tx.execute(_CLAIM_OF, {**parameters, "endpoint_ids": list(endpoint_ids)})
    claimed: list[Dispatch] = []
    by_endpoint: Counter[UUID] = Counter()
    abandoned = 0
    abandoned_again: list[UUID] = []
    targets: dict[UUID, Target] = {}
    for row in rows:
        # By position: looked up by name, the values would cost a claim half as much CPU again.
        values: Sequence[Any] = row
        id, event_id, endpoint_id, tries, lost, operational, due, expires_at, traceparent = values[:9]
        lost_again, late, enabled, generation, failing, probe = values[9:15]
        by_endpoint[endpoint_id] += 1
        abandoned += lost
        if lost_again:
            abandoned_again.append(id)
        where: Target | FailureReason
        if late:
            where = FailureReason.EXPIRED
        elif not enabled:
            where = ended_by(found=enabled is not None)
        else:
            where = targets.get(endpoint_id) or targets.setdefault(endpoint_id, target(row))
        claimed.append(
            Dispatch(
                id, event_id, lease, tries, due, expires_at, traceparent, where, operational,
                generation, failing, endpoint_id if probe else None,
            )
        )  # fmt: skip
    return Claimed(claimed, by_endpoint, abandoned, abandoned_again)


async def queues(tx: Transaction, priority: int) -> list[Waiting]:
    """The endpoints with something pending of a priority."""
    rows = await tx.execute(_QUEUES, {"priority": priority})
    return [Waiting(row.endpoint_id, row.due_in, row.open_in) for row in rows]


async def expired(
    tx: Transaction, priority: int, endpoint_ids: Collection[UUID], limit: int, lease: Lease
) -> list[Dispatch]:
    """Claim the expired deliveries that wait for these endpoints."""
    rows = await tx.execute(
        _EXPIRED,
        {
            "priority": priority,
            "endpoint_ids": list(endpoint_ids),
            "limit": limit,
            "lease": lease.token,
            "lease_seconds": lease.seconds,
        },
    )
    return [to_dispatch(row, lease, FailureReason.EXPIRED) for row in rows]


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
            "details": [each and each.detail for each in attempts],
        },
    )
    return [Recorded(row.id, row.event_id, row.status, row.reason, row.finished) for row in rows]


async def release(tx: Transaction, dispatches: Sequence[Dispatch]) -> None:
    """Release deliveries that were not begun, so that any worker can claim them at once."""
    await tx.execute(
        _RELEASE,
        {
            "ids": [each.delivery_id for each in dispatches],
            "leases": [each.lease.token for each in dispatches],
        },
    )


async def retry_now(tx: Transaction, delivery_id: UUID) -> bool | None:
    """Make a delivery that waits due now. False where its endpoint takes nothing, None where it does not wait."""
    enabled: bool | None = (await tx.execute(_HURRY, {"id": delivery_id})).scalar_one_or_none()
    return enabled


async def lease_one(tx: Transaction, delivery_id: UUID, lease: Lease) -> Dispatch | None:
    """Claim a waiting delivery to cancel it, so that no worker sends it. None where it does not wait."""
    values = {"id": delivery_id, "lease": lease.token, "lease_seconds": lease.seconds}
    row = (await tx.execute(_SEIZE, values)).one_or_none()
    if row is None:
        return None
    return to_dispatch(row, lease, FailureReason.CANCELLED)


async def seize_ended(
    tx: Transaction, endpoint_id: UUID, limit: int, lease: Lease
) -> list[tuple[Dispatch, FailureReason]]:
    """Take up to ``limit`` deliveries that wait for an endpoint that is disabled or deleted, each with how it ends."""
    values = {
        "endpoint_id": endpoint_id,
        "priorities": list(Priority),
        "limit": limit,
        "lease": lease.token,
        "lease_seconds": lease.seconds,
    }
    ends = [(row, ended_by(found=row.found)) for row in await tx.execute(_SEIZE_ENDED, values)]
    return [(to_dispatch(row, lease, reason), reason) for row, reason in ends]


def to_dispatch(row: Row[Any], lease: Lease, where: FailureReason) -> Dispatch:
    """A delivery that is taken to be ended, and not to be sent."""
    return Dispatch(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        lease=lease,
        tries=row.tries,
        due=row.due,
        expires_at=row.expires_at,
        traceparent=row.traceparent,
        target=where,
    )
