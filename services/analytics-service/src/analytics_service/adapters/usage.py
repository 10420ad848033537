"""What every service's processes used: our own from our database, the others' as their APIs tell it."""

from collections.abc import Sequence
from datetime import datetime

from almanac_client.reports import Reports
from analytics_service.domain.costs import Used
from chassis.database import usage
from chassis.database.database import Reader
from contracts.vocabulary import Service

now = usage.now


async def ours(reader: Reader, start: datetime, end: datetime) -> Sequence[Used]:
    """In whole hours, from the one that holds ``start`` to the last that begins before ``end``."""
    return [
        Used(Service.ANALYTICS, each.meter, each.operation, each.resource, each.amount, each.first_at, each.last_at)
        for each in await usage.read(reader, start, end)
    ]


async def of(client: Reports, start: datetime, end: datetime) -> Sequence[Used]:
    """The same of another service. Raises AlmanacError."""
    return [
        Used(client.service, each.meter, each.operation, each.resource, each.amount, each.first_at, each.last_at)
        for each in (await client.usage(start, end)).items
    ]
