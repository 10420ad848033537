"""Ingesting due events: the events, their frozen fan-out and the leases, in one statement for a whole batch.

The set of an event's endpoints is what one snapshot of ``endpoints`` says: ``remaining`` and the rows cannot disagree.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Transaction
from contracts.vocabulary import FailureReason
from delivery_service.adapters.claims import Capacity
from delivery_service.adapters.endpoints import TARGET, target
from delivery_service.domain.deliveries import Dispatch, Lease, ReceivedEvent, Target

# The tags come as the text of a JSON array, for an array of arrays must be rectangular. It is parsed once for an event,
# and not once for each endpoint.
_ARRIVAL = """
    SELECT id, attempt, user_id, event_type, priority, due, target_at, expires_at, late, traceparent, queue_seconds,
           CAST(tags AS jsonb) AS tags
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:user_ids AS uuid[]), CAST(:event_types AS text[]),
        CAST(:priorities AS smallint[]), CAST(:dues AS text[]), CAST(:targets AS timestamptz[]),
        CAST(:expiries AS timestamptz[]), CAST(:lates AS boolean[]), CAST(:traceparents AS text[]),
        CAST(:queue_seconds AS float8[]), CAST(:tags AS text[])
    ) AS a (id, attempt, user_id, event_type, priority, due, target_at, expires_at, late, traceparent, queue_seconds,
            tags)
"""
# A tag of the person is enough.
_MATCHES = """
    p.enabled AND (p.event_types IS NULL OR a.event_type = ANY (p.event_types))
    AND (p.priorities IS NULL OR a.priority = ANY (p.priorities))
    AND (p.tags IS NULL OR a.tags ?| p.tags)
"""

# Events alike are matched once: with a thousand endpoints, matching is most of the time. Sorted, so that two workers
# with overlapping batches wait for each other in one order and cannot deadlock.
_TAKE_IN = text(f"""
WITH arrival AS MATERIALIZED ({_ARRIVAL}), alike AS MATERIALIZED (
    SELECT DISTINCT event_type, priority, tags FROM arrival
), matched AS MATERIALIZED (
    SELECT a.event_type, a.priority, a.tags, p.id AS endpoint_id, p.kind, p.rate_limit, p.concurrency
    FROM alike a JOIN endpoints p ON {_MATCHES}
), fan_out AS (
    SELECT event_type, priority, tags, count(*) AS endpoints FROM matched GROUP BY event_type, priority, tags
), inserted AS (
    INSERT INTO events (id, attempt, user_id, event_type, priority, due, target_at, expires_at, late, traceparent,
                        queue_seconds, received_at, remaining, finished_at)
    SELECT a.id, a.attempt, a.user_id, a.event_type, a.priority, a.due, a.target_at, a.expires_at, a.late,
           a.traceparent, a.queue_seconds, c.now, coalesce(m.endpoints, 0),
           CASE WHEN m.endpoints IS NULL THEN c.now END
    FROM arrival a
    CROSS JOIN (SELECT almanac_now() AS now) c
    LEFT JOIN fan_out m ON (m.event_type, m.priority, m.tags) = (a.event_type, a.priority, a.tags)
    ORDER BY a.id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, event_type, priority, expires_at <= received_at AS expired
), created AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, channel, priority, status, reason, lease, due_at, finished_at)
    SELECT new_id(), w.id, w.endpoint_id, w.kind, w.priority,
           CASE WHEN w.endpoint_id IS NULL THEN 'FAILED' ELSE 'PENDING' END,
           CASE WHEN w.endpoint_id IS NULL THEN '{FailureReason.NO_ENDPOINT}' END,
           CASE WHEN x.held THEN CAST(:lease AS uuid) END,
           clock_timestamp() + CASE WHEN x.held THEN make_interval(secs => :lease_seconds) ELSE interval '0' END,
           CASE WHEN w.endpoint_id IS NULL THEN clock_timestamp() END
    FROM (
        SELECT i.id, i.priority, i.expired, m.endpoint_id, m.kind, m.rate_limit, m.concurrency,
               row_number() OVER (PARTITION BY m.endpoint_id) AS nth
        FROM inserted i JOIN arrival a ON a.id = i.id
        LEFT JOIN matched m ON (m.event_type, m.priority, m.tags) = (a.event_type, a.priority, a.tags)
    ) w
    LEFT JOIN circuits c ON c.endpoint_id = w.endpoint_id
    LEFT JOIN unnest(CAST(:rooms_of AS uuid[]), CAST(:rooms AS integer[])) AS r (endpoint_id, room)
           ON r.endpoint_id = w.endpoint_id
    CROSS JOIN LATERAL (
        SELECT w.endpoint_id IS NOT NULL AND (
            w.expired OR coalesce(c.state, 'CLOSED') = 'CLOSED' AND w.rate_limit IS NULL
            AND w.nth <= coalesce(r.room, least(CAST(:default_room AS integer), 2 * w.concurrency))
        ) AS held
    ) x
    RETURNING id, event_id, endpoint_id, lease IS NOT NULL AS held
)
SELECT i.id AS event_id, c.id AS delivery_id, c.endpoint_id, c.held, i.expired, coalesce(t.generation, 0),
       coalesce(t.in_row, 0) > 0, {TARGET}
FROM inserted i JOIN created c ON c.event_id = i.id LEFT JOIN endpoints p ON p.id = c.endpoint_id
LEFT JOIN circuits t ON t.endpoint_id = c.endpoint_id
""")

_NOW = text("SELECT almanac_now()")
_LOCK = text(
    "SELECT id, attempt, finished_at IS NOT NULL AS finished FROM events WHERE id = ANY (CAST(:ids AS uuid[]))"
    " ORDER BY id FOR NO KEY UPDATE"
)
# What failed is due at once; what succeeded stays; deliveries that a worker holds are unchanged. Only an event that
# found no endpoint is matched again: for the others the set is frozen.
_REOPEN = text(f"""
WITH arrival AS ({_ARRIVAL}), reopened AS (
    UPDATE deliveries d
    SET status = 'PENDING', reason = NULL, tries = 0, lease = NULL, due_at = clock_timestamp(), finished_at = NULL,
        expires_at = NULL
    FROM arrival a WHERE d.event_id = a.id AND d.status = 'FAILED' AND d.endpoint_id IS NOT NULL
    RETURNING d.event_id
), matched AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, channel, priority, status, due_at)
    SELECT new_id(), a.id, p.id, p.kind, a.priority, 'PENDING', clock_timestamp()
    FROM arrival a JOIN deliveries d ON d.event_id = a.id AND d.endpoint_id IS NULL JOIN endpoints p ON {_MATCHES}
    RETURNING event_id
), dropped AS (
    DELETE FROM deliveries d USING matched m WHERE d.event_id = m.event_id AND d.endpoint_id IS NULL
), open AS (
    SELECT event_id, count(*) AS deliveries FROM (
        SELECT event_id FROM reopened UNION ALL SELECT event_id FROM matched UNION ALL
        SELECT d.event_id FROM deliveries d JOIN arrival a ON a.id = d.event_id WHERE d.status = 'PENDING'
    ) AS each GROUP BY event_id
)
UPDATE events e
SET attempt = a.attempt, due = a.due, target_at = a.target_at, expires_at = a.expires_at, late = a.late,
    traceparent = a.traceparent, queue_seconds = a.queue_seconds, received_at = almanac_now(),
    remaining = coalesce(o.deliveries, 0), finished_at = CASE WHEN o.deliveries IS NULL THEN almanac_now() END
FROM arrival a LEFT JOIN open o ON o.event_id = a.id
WHERE e.id = a.id
RETURNING e.id, e.finished_at IS NOT NULL AS finished
""")


@dataclass(frozen=True, slots=True)
class Inserted:
    """The new events: the deliveries to be made at once, and the events that no endpoint wants.

    ``waiting`` are the endpoints that have something left to be claimed when they can take it.
    """

    event_ids: set[UUID]
    dispatches: list[Dispatch]
    waiting: set[UUID]
    unwanted: list[UUID]


@dataclass(frozen=True, slots=True)
class Known:
    """An event that was ingested before, locked until the transaction ends."""

    event_id: UUID
    attempt: int
    finished: bool


async def current_time(tx: Transaction) -> datetime:
    """Almanac's clock, by which events are received and end."""
    now: datetime = (await tx.execute(_NOW)).scalar_one()
    return now


async def insert(tx: Transaction, arrivals: Mapping[UUID, ReceivedEvent], lease: Lease, capacity: Capacity) -> Inserted:
    """Insert those of ``arrivals`` that are not there, each with a delivery for every endpoint that wants it.

    Of an endpoint as many are leased as there is room for, if it has no rate limit and its circuit is closed.
    """
    rows = await tx.execute(
        _TAKE_IN,
        {
            **_columns(list(arrivals.values())),
            "lease": lease.token,
            "lease_seconds": lease.seconds,
            "rooms_of": list(capacity.of),
            "rooms": list(capacity.of.values()),
            "default_room": capacity.default,
        },
    )
    inserted = Inserted(set(), [], set(), [])
    targets: dict[UUID, Target] = {}
    for row in rows:
        # By position, as in a claim.
        values: Sequence[Any] = row
        event_id, delivery_id, endpoint_id, held, expired, generation, failing = values[:7]
        inserted.event_ids.add(event_id)
        if endpoint_id is None:
            inserted.unwanted.append(event_id)
            continue
        if not held:
            inserted.waiting.add(endpoint_id)
            continue
        arrival = arrivals[event_id]
        where = (
            FailureReason.EXPIRED
            if expired
            else targets.get(endpoint_id) or targets.setdefault(endpoint_id, target(row))
        )
        inserted.dispatches.append(
            Dispatch(
                delivery_id=delivery_id,
                event_id=event_id,
                lease=lease,
                tries=0,
                due=arrival.due,
                expires_at=arrival.expires_at,
                traceparent=arrival.traceparent,
                target=where,
                generation=generation,
                failing=failing,
            )
        )
    return inserted


async def lock(tx: Transaction, event_ids: Sequence[UUID]) -> list[Known]:
    rows = await tx.execute(_LOCK, {"ids": event_ids})
    return [Known(row.id, row.attempt, row.finished) for row in rows]


async def reopen(tx: Transaction, arrivals: Sequence[ReceivedEvent]) -> list[UUID]:
    """Begin a further attempt of locked events. Returns those that are finished nevertheless: nothing had failed."""
    rows = await tx.execute(_REOPEN, _columns(arrivals))
    return [row.id for row in rows if row.finished]


def _columns(arrivals: Sequence[ReceivedEvent]) -> dict[str, Any]:
    return {
        "ids": [each.event_id for each in arrivals],
        "attempts": [each.attempt for each in arrivals],
        "user_ids": [each.user_id for each in arrivals],
        "event_types": [each.event_type for each in arrivals],
        "priorities": [each.priority for each in arrivals],
        "dues": [each.due for each in arrivals],
        "targets": [each.target_at for each in arrivals],
        "expiries": [each.expires_at for each in arrivals],
        "lates": [each.late for each in arrivals],
        "traceparents": [each.traceparent for each in arrivals],
        "queue_seconds": [each.queue_seconds for each in arrivals],
        # jsonb cannot hold a NUL, so no endpoint has such a tag.
        "tags": [json.dumps([tag for tag in each.tags if "\0" not in tag]) for each in arrivals],
    }
