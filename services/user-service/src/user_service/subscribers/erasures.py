"""Reports of the other services: since when they have erased a deleted user."""

from collections.abc import Sequence

from chassis.database.database import Database
from chassis.messaging.consumer import Handler
from chassis.messaging.domain import ReceivedItem, domain_handler
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.registry import find_spec
from contracts.topology import Queue
from user_service.application.erasures import record_reports
from user_service.domain.erasure import Report


def erasure_handler(queue: Queue, database: Database) -> Handler:
    """Record what arrives on ``queue``; a report that comes again changes nothing."""

    async def apply(items: Sequence[ReceivedItem]) -> None:
        await record_reports(database, [report for each in items for report in _reports(each)])

    return domain_handler(queue.name, apply)


def _reports(received: ReceivedItem) -> list[Report]:
    item = received.item
    if not isinstance(item, PersonalDataErasedItem):
        return []
    return [Report(item.user_id, find_spec(received.type).source, item.occurred_at)]
