"""Operational events: those of the service itself, for endpoints that subscribe to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Transaction

EXPIRY_SECONDS = 86_400.0
PRIORITY = 2
"""NORMAL: operational events delay no birthday, and birthdays do not delay them."""

# An endpoint gets no event about itself: it may be out of order. The time is read once, however many subscribe.
_PUBLISH = text("""
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
class Notification:
    """A webhook's body, and the endpoint that it is about, if any. ``id`` becomes ``webhook-id``."""

    id: UUID
    body: str
    about: UUID | None


async def publish(tx: Transaction, type: str, notifications: Sequence[Notification]) -> None:
    """Create an event with a delivery for every enabled endpoint that subscribes to this type, for each of them."""
    await tx.execute(
        _PUBLISH,
        {
            "type": type,
            "priority": PRIORITY,
            "expiry": EXPIRY_SECONDS,
            "ids": [each.id for each in notifications],
            "bodies": [each.body for each in notifications],
            "abouts": [each.about for each in notifications],
        },
    )
