"""User items: the projection and the schedules follow them."""

from collections.abc import Sequence

from chassis.database.database import Database
from chassis.messaging.consumer import Handler
from chassis.messaging.domain import ReceivedItem, domain_handler
from chassis.messaging.outbox import Outbox
from contracts.topology import Queue
from event_service.adapters.partitions import Partitions
from event_service.application.recipients import apply_user_items
from event_service.domain.type_rules import Rulebook


def user_handler(queue: Queue, database: Database, outbox: Outbox, rules: Rulebook, partitions: Partitions) -> Handler:
    async def apply(items: Sequence[ReceivedItem]) -> None:
        await partitions.cover()
        await apply_user_items(database, outbox, rules, items)

    return domain_handler(queue.name, apply)
