"""The figures of the page *Business*: what was delivered, day by day."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from console.formats import count, duration, share, word
from console.markup import Content
from contracts.http.analytics import CountSeries, LatencySeries
from contracts.vocabulary import EventType

DELIVERED, FAILED, MISSED = "completed", "failed", "missed"
OUTCOMES = (DELIVERED, FAILED, MISSED)
END_TO_END = "end_to_end"
TYPES = tuple(EventType)
SUCCESS_COLUMNS = ("Day", "Delivered, of all that ended")
LATENCY_COLUMNS = ("Day", "p50", "p95", "p99")


@dataclass(frozen=True)
class Day:
    """One day of UTC: events that ended, by how and of which type, and seconds from their target to the end."""

    day: date
    delivered: Mapping[EventType, int]
    failed: int
    missed: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @property
    def total_delivered(self) -> int:
        return sum(self.delivered.values())

    @property
    def success_rate(self) -> float | None:
        """Delivered out of all that ended; None where nothing did."""
        ended = self.total_delivered + self.failed + self.missed
        return self.total_delivered / ended if ended else None


def first_day(today: date, days: int) -> datetime:
    """The start of a range of this many days that ends with ``today``."""
    return datetime.combine(today - timedelta(days=days - 1), datetime.min.time(), UTC)


def days_of(counts: CountSeries, latency: LatencySeries, start: datetime, days: int) -> Sequence[Day]:
    """Every day of the range, oldest first, also those on which nothing happened."""
    delivered: dict[date, dict[EventType, int]] = defaultdict(lambda: dict.fromkeys(TYPES, 0))
    lost: dict[tuple[date, str], int] = defaultdict(int)
    for point in counts.points:
        day = point.start.astimezone(UTC).date()
        if point.outcome == DELIVERED and point.event_type is not None:
            delivered[day][point.event_type] += point.count
        else:
            lost[day, point.outcome] += point.count
    measured = {each.start.astimezone(UTC).date(): each for each in latency.points}
    found = []
    for day in (start.date() + timedelta(days=number) for number in range(days)):
        at = measured.get(day)
        percentiles = (None, None, None) if at is None else (at.p50, at.p95, at.p99)
        found.append(Day(day, delivered[day], lost[day, FAILED], lost[day, MISSED], *percentiles))
    return found


def columns() -> Sequence[str]:
    return ("Day", *(word(each) for each in TYPES), "Failed", "Missed")


def rows(days: Sequence[Day]) -> Sequence[Sequence[Content]]:
    """The days on which something ended, newest first: how often what did."""
    return [
        [_name(day), *(count(day.delivered.get(each, 0)) for each in TYPES), count(day.failed), count(day.missed)]
        for day in _ended(days)
    ]


def success_rows(days: Sequence[Day]) -> Sequence[Sequence[Content]]:
    """The same days: how much of it was delivered."""
    return [[_name(day), share(day.success_rate)] for day in _ended(days)]


def latency_rows(days: Sequence[Day]) -> Sequence[Sequence[Content]]:
    """The same days: how late."""
    return [[_name(day), duration(day.p50), duration(day.p95), duration(day.p99)] for day in _ended(days)]


def _ended(days: Sequence[Day]) -> Sequence[Day]:
    return [day for day in reversed(days) if day.success_rate is not None]


def _name(day: Day) -> str:
    return day.day.isoformat()
