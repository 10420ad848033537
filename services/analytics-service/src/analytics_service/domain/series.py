"""Numbers over time: one row for each span and group in which something happened."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics_service.domain.errors import RangeTooLongError
from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.grains import Grain
from analytics_service.domain.overview import Percentiles

MAX_SPANS = 2_000
"""In one answer: 33 hours of minutes, 83 days of hours, five years of days."""
SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True)
class Range:
    """The spans of a grain from the one that holds ``start`` to the last that begins before ``end``."""

    grain: Grain
    start: datetime
    end: datetime

    @classmethod
    def of(cls, grain: Grain, start: datetime, end: datetime) -> "Range":
        """Rounded outwards to whole spans.

        Raises:
            RangeTooLongError: it is empty, or has more than ``MAX_SPANS``.
        """
        start, end = grain.floor(start), grain.ceil(end)
        if start >= end:
            raise RangeTooLongError("from must be earlier than to")
        if (spans := (end - start) // grain.length) > MAX_SPANS:
            raise RangeTooLongError(f"{spans} spans of a {grain}, at most {MAX_SPANS}: choose a longer grain")
        return cls(grain, start, end)


@dataclass(frozen=True, slots=True)
class CountPoint:
    """How often it happened in a span. Dimensions that are not grouped by are None."""

    start: datetime
    kind: Kind
    event_type: str | None
    priority: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Latencies of a group and span: how many lay in which bucket. Dimensions that are not grouped by are None."""

    start: datetime
    measure: Measure
    event_type: str | None
    priority: int | None
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """Percentiles of a span. Dimensions that are not grouped by are None."""

    start: datetime
    measure: Measure
    event_type: str | None
    priority: int | None
    percentiles: Percentiles


def latency_points(histograms: Iterable[Histogram]) -> list[LatencyPoint]:
    """One point for each, in their order."""
    return [
        LatencyPoint(each.start, each.measure, each.event_type, each.priority, Percentiles.of(each.counts))
        for each in histograms
    ]


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Deliveries to an endpoint that ended in one way, with latencies in one bucket (None: no attempt was made)."""

    endpoint_id: UUID
    channel: str
    result: str
    bucket: int | None
    count: int
    attempts: int


@dataclass(frozen=True, slots=True)
class EndpointSummary:
    """The results of the deliveries to one endpoint in a range."""

    endpoint_id: UUID
    channel: str
    results: dict[str, int]
    """How many ended in each way: ``succeeded``, or a reason."""
    attempts: int
    latency: Percentiles

    @property
    def deliveries(self) -> int:
        return sum(self.results.values())

    @property
    def success_rate(self) -> float:
        return self.results.get(SUCCEEDED, 0) / self.deliveries


def endpoint_summaries(rows: Sequence[ResultRow]) -> list[EndpointSummary]:
    """By endpoint, the busiest first."""
    grouped: dict[tuple[UUID, str], list[ResultRow]] = {}
    for row in rows:
        grouped.setdefault((row.endpoint_id, row.channel), []).append(row)
    summaries = []
    for (endpoint_id, channel), of_endpoint in grouped.items():
        results: Counter[str] = Counter()
        histogram: Counter[int] = Counter()
        for row in of_endpoint:
            results[row.result] += row.count
            if row.bucket is not None:
                histogram[row.bucket] += row.count
        attempts = sum(row.attempts for row in of_endpoint)
        summaries.append(EndpointSummary(endpoint_id, channel, dict(results), attempts, Percentiles.of(histogram)))
    return sorted(summaries, key=lambda each: (-each.deliveries, each.endpoint_id))
