"""Where a time of day is now, and where it will be next."""

from datetime import time, timedelta

from pydantic import TypeAdapter

from chassis.core.zones import known_names, zone
from chassis.database.clock import Clock
from chassis.database.read_cache import ReadCache
from chassis.database.read_routing import Reads
from event_service.adapters import passages as adapter
from event_service.domain.passages import Passages, passages, zones_by_instant

CACHE_SECONDS = 20.0
BEHIND = timedelta(hours=1)
"""How long a time of day counts as passing: its hour."""
AHEAD = timedelta(hours=24)

_SHAPE = TypeAdapter(Passages)


async def time_passes(reads: Reads, cache: ReadCache, clock: Clock, at: time) -> Passages:
    """The instants of the last hour and the next day at which clocks somewhere show ``at``, with the events due there.

    It may be some seconds old, unless the reader wants it fresh.
    """

    async def load() -> Passages:
        now = clock.now().replace(second=0, microsecond=0)
        since, until = now - BEHIND, now + AHEAD
        zones = zones_by_instant(at, (zone(name) for name in known_names()), since, until)
        async with reads.open() as reader:
            counts = await adapter.count(reader, zones.keys())
        return Passages(since, until, passages(zones, counts))

    if reads.fresh:
        return await load()
    return await cache.read(f"passages:{at:%H%M}", _SHAPE, load, ttl_seconds=CACHE_SECONDS)
