"""The forecast of coming events."""

from datetime import timedelta

from pydantic import TypeAdapter

from chassis.database.clock import Clock
from chassis.database.read_cache import ReadCache
from chassis.database.read_routing import Reads
from event_service.adapters import forecasts
from event_service.domain.forecast import Forecast

CACHE_SECONDS = 5.0
"""How long an answer is kept for others who ask the same."""

_SHAPE = TypeAdapter(Forecast)


async def forecast(reads: Reads, cache: ReadCache, clock: Clock, hours: int) -> Forecast:
    """The events due in the current hour, from now on, and in those after it, ``hours`` in all; hours are those of UTC.

    It may be a few seconds old, unless the reader wants it fresh.
    """

    async def load() -> Forecast:
        since = clock.now()
        until = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
        async with reads.open() as reader:
            return await forecasts.read(reader, since, until)

    if reads.fresh:
        return await load()
    return await cache.read(f"forecast:{hours}", _SHAPE, load, ttl_seconds=CACHE_SECONDS)
