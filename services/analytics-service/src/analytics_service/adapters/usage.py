"""What every service's processes used: our own from our database, the others' as their APIs tell it."""

from collections.abc import Sequence
from datetime import datetime

from analytics_service.adapters.service_clients import Answer, ServiceClient
from analytics_service.domain.costs import Used
from chassis.database import usage
from chassis.database.database import Reader
from contracts.vocabulary import Service


class _Used(Answer):
    meter: str
    operation: str
    resource: str
    amount: float
    first_at: datetime
    last_at: datetime


class _Usage(Answer):
    items: list[_Used]


now = usage.now


async def ours(reader: Reader, start: datetime, end: datetime) -> Sequence[Used]:
    """In whole hours, from the one that holds ``start`` to the last that begins before ``end``."""
    return [
        Used(Service.ANALYTICS, each.meter, each.operation, each.resource, each.amount, each.first_at, each.last_at)
        for each in await usage.read(reader, start, end)
    ]


async def of(peer: ServiceClient, start: datetime, end: datetime) -> Sequence[Used]:
    """The same of another service. Raises PeerError."""
    answer = await peer.get("/v1/usage", _Usage, {"from": start.isoformat(), "to": end.isoformat()})
    return [
        Used(peer.name, each.meter, each.operation, each.resource, each.amount, each.first_at, each.last_at)
        for each in answer.items
    ]
