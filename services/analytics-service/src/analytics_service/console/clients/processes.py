"""How many processes there are of each role that an event passes through, from the time that services pay for."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analytics_service.console.clients.http import Answer, Api

ON_THE_WAY: Mapping[str, Sequence[str]] = {
    "event-service": ("scheduler", "consumer", "relay"),
    "delivery-service": ("worker", "relay"),
}
"""Of each service the roles without which no event gets through."""

_LOOK_BACK = timedelta(minutes=10)
_SILENT = timedelta(minutes=3)
"""Each process adds its time once a minute: a process that has not reported for this long has ended."""


class Used(Answer):
    """What processes with the same roles used of one thing, and when that began and was last added to."""

    meter: str
    resource: str
    amount: float
    first_at: datetime
    last_at: datetime


class Usage(Answer):
    """What a service's processes used in whole hours."""

    items: tuple[Used, ...]


@dataclass(frozen=True)
class Processes:
    """How many there were on average of a service's role, in this hour."""

    service: str
    role: str
    number: float


def processes_of(service: str, usage: Usage) -> Sequence[Processes]:
    """Of the roles on the way. A process with several counts for each; one that works on a single queue is a worker."""
    times = [each for each in usage.items if each.meter == "process_seconds"]
    newest = max((each.last_at for each in times), default=None)
    numbers: defaultdict[str, float] = defaultdict(float)
    for each in times:
        seconds = (each.last_at - each.first_at).total_seconds()
        if newest is None or newest - each.last_at > _SILENT or seconds <= 0:
            continue
        for role in {name.partition("-")[0] for name in each.resource.split()}:
            numbers[role] += each.amount / seconds
    return [Processes(service, role, numbers[role]) for role in ON_THE_WAY[service]] if numbers else []


@dataclass(frozen=True)
class ProcessesClient:
    """Asks the services that an event passes through. Raises ServiceError."""

    apis: Sequence[Api]

    async def now(self) -> Sequence[Processes]:
        since = (datetime.now(UTC) - _LOOK_BACK).isoformat()
        told = await asyncio.gather(*(api.get("/v1/usage", Usage, **{"from": since}) for api in self.apis))
        return [each for api, usage in zip(self.apis, told, strict=True) for each in processes_of(api.service, usage)]
