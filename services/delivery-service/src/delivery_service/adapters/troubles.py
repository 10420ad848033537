"""Events of the service's own, for endpoints that want to be told of its troubles."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction

EXPIRY_SECONDS = 86_400.0
PRIORITY = 2
"""Whoever is told of a trouble waits for no birthday, and no birthday for them."""

# An endpoint is not told of itself: it is in trouble. The time is looked at once, however many endpoints are told.
_TELL = text("""
WITH clock AS MATERIALIZED (
    SELECT almanac_now() AS now
), wanted AS (
    SELECT t.id, t.body, p.id AS endpoint_id, p.kind
    FROM unnest(CAST(:ids AS uuid[]), CAST(:bodies AS text[]), CAST(:abouts AS uuid[])) AS t (id, body, about)
    JOIN endpoints p ON p.enabled AND CAST(:type AS text) = ANY (p.operational_events)
                    AND p.id IS DISTINCT FROM t.about
), added AS (
    INSERT INTO events (id, attempt, event_type, priority, due, target_at, expires_at, late, received_at, remaining,
                        operational)
    SELECT w.id, 1, CAST(:type AS text), CAST(:priority AS smallint), w.body, n.now,
           n.now + make_interval(secs => :expiry), false, n.now, count(*), true
    FROM wanted w CROSS JOIN clock n GROUP BY w.id, w.body, n.now
)
INSERT INTO deliveries (id, event_id, endpoint_id, channel, priority, status, due_at)
SELECT new_id(), w.id, w.endpoint_id, w.kind, CAST(:priority AS smallint), 'PENDING', clock_timestamp() FROM wanted w
""")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is said, as a webhook's body, and the endpoint that it is about, if any. ``id`` becomes ``webhook-id``."""

    id: UUID
    body: str
    about: UUID | None


async def tell(tx: Transaction, type: str, troubles: Sequence[Trouble]) -> None:
    """Have each trouble sent to every endpoint that wants this type."""
    await tx.execute(
        _TELL,
        {
            "type": type,
            "priority": PRIORITY,
            "expiry": EXPIRY_SECONDS,
            "ids": [each.id for each in troubles],
            "bodies": [each.body for each in troubles],
            "abouts": [each.about for each in troubles],
        },
    )
