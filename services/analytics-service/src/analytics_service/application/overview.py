"""The numbers of the last minutes."""

from datetime import timedelta

from analytics_service.adapters import rollups
from analytics_service.domain.overview import Overview, summarise
from chassis.clock import Clock
from chassis.reads import Reads


async def overview(reads: Reads, clock: Clock, minutes: int) -> Overview:
    """What happened in the current minute and those before it, ``minutes`` in all."""
    now = clock.now()
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)
    async with reads.open() as reader:
        counts = await rollups.counts_since(reader, since)
        buckets = await rollups.latencies_since(reader, since)
    return Overview(since, now, counts, summarise(buckets))
