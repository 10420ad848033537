"""Deletions of users: their deliveries are cancelled, and they are erased."""

from collections.abc import Sequence

from chassis.database.database import Database
from chassis.messaging.consumer import Handler
from chassis.messaging.domain import ReceivedItem, domain_handler
from chassis.messaging.outbox import Outbox
from contracts.topology import Queue
from delivery_service.application.erasures import apply_deletions


def user_deletion_handler(queue: Queue, database: Database, outbox: Outbox) -> Handler:
    """Apply what arrives on ``queue``, each item once."""

    async def apply(items: Sequence[ReceivedItem]) -> None:
        await apply_deletions(database, outbox, items)

    return domain_handler(queue.name, apply)
