"""The numbers of a window of time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.histogram import percentiles


@dataclass(frozen=True, slots=True)
class Count:
    """How often a kind of fact happened, to events of one type and priority where it happens to events."""

    kind: Kind
    event_type: str | None
    priority: int | None
    count: int


@dataclass(frozen=True, slots=True)
class LatencyBucket:
    """How many latencies of a priority lay in one bucket of the histogram."""

    measure: Measure
    priority: int
    bucket: int
    count: int


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a number of latencies, in seconds; None where there were none."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, histogram: Mapping[int, int]) -> "Percentiles":
        """Of a histogram, bucket → count."""
        p50, p95, p99 = percentiles(histogram, (0.5, 0.95, 0.99))
        return cls(sum(histogram.values()), p50, p95, p99)


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one priority or of all (None)."""

    measure: Measure
    priority: int | None
    percentiles: Percentiles


@dataclass(frozen=True, slots=True)
class Overview:
    """What happened since an instant."""

    since: datetime
    until: datetime
    counts: Sequence[Count]
    latencies: Sequence[Latency]

    @property
    def totals(self) -> Mapping[Kind, int]:
        """Each kind over all types and priorities."""
        totals = dict.fromkeys(Kind, 0)
        for count in self.counts:
            totals[count.kind] += count.count
        return totals

    @property
    def success_rate(self) -> float | None:
        """The share of events that ended well among those that ended and were not cancelled; None where none did."""
        totals = self.totals
        ended = totals[Kind.COMPLETED] + totals[Kind.FAILED] + totals[Kind.MISSED]
        return totals[Kind.COMPLETED] / ended if ended else None


def summarise(buckets: Sequence[LatencyBucket]) -> list[Latency]:
    """Percentiles of every measure over all priorities, then by priority where there is any."""
    histograms: dict[tuple[Measure, int | None], Counter[int]] = {(measure, None): Counter() for measure in Measure}
    for each in buckets:
        for priority in (None, each.priority):
            histograms.setdefault((each.measure, priority), Counter())[each.bucket] += each.count
    return [
        Latency(measure, priority, Percentiles.of(histogram)) for (measure, priority), histogram in histograms.items()
    ]
