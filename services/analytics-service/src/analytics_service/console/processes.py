"""How many processes there are of each role that an event passes through, from the time that services pay for."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from almanac_client import Almanac
from contracts.http.status import Meter, ServiceUsage

ON_THE_WAY: Mapping[str, Sequence[str]] = {
    "event-service": ("scheduler", "consumer", "relay"),
    "delivery-service": ("worker", "relay"),
}
"""Of each service the roles without which no event gets through."""

_LOOK_BACK = timedelta(minutes=10)
_SILENT = timedelta(minutes=3)
"""Each process adds its time once a minute: a process that has not reported for this long has ended."""


@dataclass(frozen=True)
class Processes:
    """How many there were on average of a service's role, in this hour."""

    service: str
    role: str
    number: float


def processes_of(service: str, usage: ServiceUsage) -> Sequence[Processes]:
    """Of the roles on the way. A process with several counts for each; one that works on a single queue is a worker."""
    times = [each for each in usage.items if each.meter is Meter.PROCESS_SECONDS]
    newest = max((each.last_at for each in times), default=None)
    numbers: defaultdict[str, float] = defaultdict(float)
    for each in times:
        seconds = (each.last_at - each.first_at).total_seconds()
        if newest is None or newest - each.last_at > _SILENT or seconds <= 0:
            continue
        for role in {name.partition("-")[0] for name in each.resource.split()}:
            numbers[role] += each.amount / seconds
    return [Processes(service, role, numbers[role]) for role in ON_THE_WAY[service]] if numbers else []


async def running_processes(almanac: Almanac) -> Sequence[Processes]:
    """Ask the services that an event passes through. Raises AlmanacError."""
    services = almanac.events, almanac.deliveries
    since = datetime.now(UTC) - _LOOK_BACK
    found = await asyncio.gather(*(service.usage(since) for service in services))
    return [
        each for service, usage in zip(services, found, strict=True) for each in processes_of(service.service, usage)
    ]
