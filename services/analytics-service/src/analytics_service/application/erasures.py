"""Erasure of deleted users. Timelines know users by their ids alone; engagement is counted by user, and is erased."""

from collections.abc import Collection, Sequence
from uuid import UUID

from analytics_service.adapters import engagement
from chassis.database.database import Transaction


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """Erase the users' engagement once more: an event may have ended while the deletion was being applied."""
    await engagement.forget(tx, user_ids)
    return user_ids
