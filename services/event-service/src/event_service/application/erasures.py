"""Erasure of deleted users: their past events lose what is personal, their schedules are gone with the deletion, and
their calendar feeds are revoked.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from chassis.database.database import Transaction
from event_service.adapters import calendar_feeds, event_endings


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """Erase the users' events that have ended, and revoke their feeds.

    Returns those of whom no event is still on its way.
    """
    await calendar_feeds.revoke_of_users(tx, user_ids)
    await event_endings.forget_person(tx, user_ids)
    return set(user_ids) - await event_endings.users_with_live(tx, user_ids)
