"""The domain bus and the dead-letter topic: each item becomes one fact."""

from collections.abc import Sequence

from analytics_service.adapters.messages import fact_of
from analytics_service.application.facts import record
from chassis.database.database import Database
from chassis.messaging.consumer import Handler
from chassis.messaging.domain import ReceivedItem, domain_handler
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.topology import Queue


def facts_handler(queue: Queue, database: Database) -> Handler:
    """Records what arrives on ``queue``."""

    async def apply(items: Sequence[ReceivedItem]) -> None:
        # Reports of erasures are user-service's; there is nothing to count in them.
        await record(database, [fact_of(each) for each in items if not isinstance(each.item, PersonalDataErasedItem)])

    return domain_handler(queue.name, apply)
