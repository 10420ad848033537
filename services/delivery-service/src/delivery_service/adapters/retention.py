"""Deletes finished events past their retention."""

from sqlalchemy import text

from chassis.database.database import Transaction

_SWEEP = text("""
WITH old AS (
    SELECT id FROM events WHERE finished_at < (SELECT almanac_now()) - make_interval(secs => :seconds)
    AND NOT EXISTS (SELECT FROM delivery_dead_letters l WHERE l.event_id = events.id AND l.status = 'OPEN')
    LIMIT :limit FOR UPDATE SKIP LOCKED
), events_gone AS (
    DELETE FROM events e USING old WHERE e.id = old.id RETURNING e.id
), deliveries_gone AS (
    DELETE FROM deliveries d USING old WHERE d.event_id = old.id RETURNING d.id
), attempts_gone AS (
    DELETE FROM attempts a USING deliveries_gone d WHERE a.delivery_id = d.id
)
SELECT count(*) FROM events_gone
""")


async def sweep(tx: Transaction, seconds: float, limit: int) -> int:
    """Delete up to ``limit`` events that finished more than ``seconds`` ago, with all that belongs to them.

    An event with an open dead letter is kept: a redrive needs it.
    """
    count: int = (await tx.execute(_SWEEP, {"seconds": seconds, "limit": limit})).scalar_one()
    return count
