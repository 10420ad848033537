"""Erasure of deleted users: their past events lose what is personal, their schedules are gone with the deletion."""

from collections.abc import Collection, Sequence
from uuid import UUID

from chassis.database import Transaction
from event_service.adapters import events


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """Erase the users' events that have ended. Returns those of whom no event is still on its way."""
    await events.forget_person(tx, user_ids)
    return set(user_ids) - await events.users_with_live(tx, user_ids)
