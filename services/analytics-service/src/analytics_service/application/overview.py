"""The numbers of the last minutes."""

from datetime import timedelta

from analytics_service.adapters import rollups
from analytics_service.domain.grains import Grain, cover
from analytics_service.domain.overview import Overview, summarise
from chassis.database.clock import Clock
from chassis.database.read_routing import Reads


async def overview(reads: Reads, clock: Clock, minutes: int) -> Overview:
    """Counts and latencies of the current minute and those before it, ``minutes`` in all."""
    now = clock.now()
    since = Grain.MINUTE.floor(now) - timedelta(minutes=minutes - 1)
    segments = cover(since, Grain.MINUTE.floor(now) + Grain.MINUTE.length)
    async with reads.open() as reader:
        counts = await rollups.counts(reader, segments)
        buckets = await rollups.latencies(reader, segments)
    return Overview(since, now, counts, summarise(buckets))
