"""Deduplication of items, in the transaction that applies them (docs/architecture.md#reliability-rules, rule 2)."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Transaction

# Sorted, so that two consumers with overlapping batches wait for each other in one order and cannot deadlock.
_REMEMBER = text(
    "INSERT INTO inbox (item_id) SELECT item_id FROM unnest(CAST(:item_ids AS uuid[])) AS t (item_id) ORDER BY item_id"
    " ON CONFLICT DO NOTHING RETURNING item_id"
)
SWEEP = text(
    "DELETE FROM inbox WHERE item_id IN (SELECT item_id FROM inbox"
    " WHERE received_at < clock_timestamp() - make_interval(secs => :seconds) LIMIT 10000)"
)


async def unseen(tx: Transaction, item_ids: Collection[UUID]) -> set[UUID]:
    """Remember the items and return those that no committed transaction had remembered before."""
    if not item_ids:
        return set()
    rows = await tx.execute(_REMEMBER, {"item_ids": list(set(item_ids))})
    return set(rows.scalars())
