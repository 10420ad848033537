"""Erasure of deleted users: waiting deliveries are cancelled at once, stored data is erased once the deliveries have
ended."""

from collections.abc import Collection, Sequence
from uuid import UUID

from chassis.database import inbox
from chassis.database.database import Database, Transaction
from chassis.messaging import erasures as requests
from chassis.messaging.domain import ReceivedItem
from chassis.messaging.outbox import Outbox
from contracts.messages.user import UserDeletedItem
from contracts.vocabulary import FailureReason
from delivery_service.adapters import erasures
from delivery_service.application.deliveries import LEASE_SECONDS
from delivery_service.application.recording import record_within
from delivery_service.domain.deliveries import Lease, not_sent

CANCELLED_AT_ONCE = 1_000
"""Deliveries that one transaction cancels. The rest is cancelled in the next round."""


async def apply_deletions(database: Database, outbox: Outbox, received: Sequence[ReceivedItem]) -> None:
    """Schedule the erasure of the deleted users and cancel their waiting deliveries."""
    async with database.transaction() as tx:
        fresh = await inbox.unseen(tx, [each.item_id for each in received])
        deleted = {
            each.item.user_id for each in received if each.item_id in fresh and isinstance(each.item, UserDeletedItem)
        }
        await requests.request(tx, deleted)
        await _cancel_waiting(tx, outbox, deleted)


class Erasure:
    """Erases users, as :class:`chassis.messaging.erasures.Eraser` asks for."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def erase(self, tx: Transaction, user_ids: Sequence[UUID]) -> Collection[UUID]:
        """Cancel waiting deliveries and erase ended ones. Returns those of whom nothing is on its way any more."""
        await _cancel_waiting(tx, self._outbox, user_ids)
        await erasures.forget(tx, user_ids)
        return set(user_ids) - await erasures.on_their_way(tx, user_ids)


async def _cancel_waiting(tx: Transaction, outbox: Outbox, user_ids: Collection[UUID]) -> None:
    if not user_ids:
        return
    seized = await erasures.seize_of_users(tx, user_ids, CANCELLED_AT_ONCE, Lease.begin(LEASE_SECONDS))
    await erasures.expire(tx, user_ids)
    if seized:
        await record_within(tx, outbox, [not_sent(each, FailureReason.CANCELLED) for each in seized])
