"""Erasing what the tables of deliveries keep of users: due events, answers of receivers, payloads of dead letters."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Transaction
from contracts.vocabulary import FailureReason
from delivery_service.adapters.claims import to_dispatch
from delivery_service.domain.deliveries import Dispatch, Lease

NOTE = "the user was deleted"

# Like a cancellation: what is being sent at this moment is left to its worker.
_SEIZE = text("""
WITH waiting AS (
    SELECT d.id FROM events e JOIN deliveries d ON d.event_id = e.id
    WHERE e.user_id = ANY (CAST(:user_ids AS uuid[])) AND e.remaining > 0 AND d.status = 'PENDING' AND d.lease IS NULL
    ORDER BY d.id LIMIT CAST(:limit AS integer) FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM waiting w JOIN deliveries o ON o.id = w.id JOIN events e ON e.id = o.event_id WHERE d.id = w.id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent
""")
# What is being sent at this moment is not sent again: its event expires now, also where a redrive gave it more time.
_EXPIRE = text("""
WITH events_of AS (
    UPDATE events SET expires_at = least(expires_at, almanac_now())
    WHERE user_id = ANY (CAST(:user_ids AS uuid[])) AND remaining > 0
    RETURNING id
)
UPDATE deliveries d SET expires_at = almanac_now() FROM events_of e
WHERE d.event_id = e.id AND d.status = 'PENDING' AND d.expires_at IS NOT NULL
""")
_FORGET_ATTEMPTS = text("""
UPDATE attempts a SET headers = NULL, excerpt = NULL, detail = NULL
FROM events e JOIN deliveries d ON d.event_id = e.id
WHERE e.user_id = ANY (CAST(:user_ids AS uuid[])) AND e.remaining = 0 AND a.delivery_id = d.id
  AND (a.headers IS NOT NULL OR a.excerpt IS NOT NULL OR a.detail IS NOT NULL)
""")
_FORGET_EVENTS = text("""
UPDATE events SET due = '{}' WHERE user_id = ANY (CAST(:user_ids AS uuid[])) AND remaining = 0 AND due <> '{}'
""")
# By the event, too: a message that could not be read says of whom it is in an attribute that may be missing.
_FORGET_DEAD_LETTERS = text("""
UPDATE delivery_dead_letters l
SET payload = '{}', detail = NULL, status = CASE WHEN l.status = 'OPEN' THEN 'DISCARDED' ELSE l.status END,
    resolved_at = coalesce(l.resolved_at, almanac_now()), note = coalesce(l.note, :note)
WHERE l.payload <> '{}'
  AND (l.user_id = ANY (CAST(:user_ids AS uuid[]))
       OR l.event_id IN (SELECT id FROM events WHERE user_id = ANY (CAST(:user_ids AS uuid[]))))
""")
_ON_THEIR_WAY = text(
    "SELECT DISTINCT user_id FROM events WHERE user_id = ANY (CAST(:user_ids AS uuid[])) AND remaining > 0"
)


async def seize_of_users(tx: Transaction, user_ids: Collection[UUID], limit: int, lease: Lease) -> list[Dispatch]:
    """Take up to ``limit`` deliveries of the users that wait out of every worker's reach, to be cancelled."""
    values = {"user_ids": list(user_ids), "limit": limit, "lease": lease.token, "lease_seconds": lease.seconds}
    return [to_dispatch(row, lease, FailureReason.CANCELLED) for row in await tx.execute(_SEIZE, values)]


async def expire(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Let no attempt of the users' deliveries begin any more."""
    await tx.execute(_EXPIRE, {"user_ids": list(user_ids)})


async def forget(tx: Transaction, user_ids: Collection[UUID]) -> None:
    """Erase what is personal in the users' events that have ended, in their attempts and in their dead letters."""
    values = {"user_ids": list(user_ids)}
    await tx.execute(_FORGET_ATTEMPTS, values)
    await tx.execute(_FORGET_EVENTS, values)
    await tx.execute(_FORGET_DEAD_LETTERS, {**values, "note": NOTE})


async def on_their_way(tx: Transaction, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the users who have an event with a delivery left to make."""
    return set((await tx.execute(_ON_THEIR_WAY, {"user_ids": list(user_ids)})).scalars())
