"""Numbers over time, and by endpoint."""

from collections.abc import Collection, Sequence
from uuid import UUID

from analytics_service.adapters import rollups
from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.grains import cover
from analytics_service.domain.series import (
    CountPoint,
    EndpointSummary,
    LatencyPoint,
    Range,
    endpoint_summaries,
    latency_points,
)
from chassis.database.read_routing import Reads


async def count_series(
    reads: Reads, range: Range, kinds: Collection[Kind], *, by_type: bool, by_priority: bool
) -> Sequence[CountPoint]:
    """Oldest first; spans in which nothing happened are left out."""
    async with reads.open() as reader:
        return await rollups.count_series(reader, range, kinds, by_type=by_type, by_priority=by_priority)


async def latency_series(
    reads: Reads, range: Range, measures: Collection[Measure], *, by_type: bool, by_priority: bool
) -> Sequence[LatencyPoint]:
    """Oldest first; spans in which nothing was measured are left out."""
    async with reads.open() as reader:
        rows = await rollups.latency_series(reader, range, measures, by_type=by_type, by_priority=by_priority)
    return latency_points(rows)


async def endpoint_results(reads: Reads, range: Range, endpoint_id: UUID | None) -> Sequence[EndpointSummary]:
    """The busiest endpoint first; of one endpoint alone, that one or nothing."""
    async with reads.open() as reader:
        return endpoint_summaries(
            await rollups.results(reader, cover(range.start, range.end, range.grain), endpoint_id)
        )
