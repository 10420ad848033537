"""Send windows: the days of the week and the local times in which a person may be reached (ADR 31).

A window is judged by what clocks show in a zone. So it holds on the days on which clocks change too: a time that
clocks skip is never open, and a time that they show twice is open both times.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""As RFC 5545 abbreviates them."""

MOST_SPANS: Final = 14
"""Two spans for each day of the week."""

_DAY = 86_400
_WEEK = 7 * _DAY
_HORIZON = timedelta(days=16)
"""The longest search. A clock change can swallow one weekly opening (Samoa skipped a Friday), not two in a row."""
_LARGEST_CHANGE = timedelta(hours=25)
"""More than any clock change: Samoa and Kiribati skipped a whole day."""
_STEP = timedelta(hours=6)
"""No zone changes its clocks twice within this time."""


@dataclass(frozen=True, slots=True)
class Span:
    """The times from ``start`` to before ``until`` on some days of the week (0 is Monday).

    One that ends at or before its start continues past midnight, and belongs to the day on which it begins.
    """

    days: frozenset[int]
    start: time
    until: time


@dataclass(frozen=True, slots=True)
class SendWindow:
    """One or more spans of local time. Which zone's is the caller's to say.

    Raises:
        ValueError: There is no span, a span has no day or a day that no week has, or a time has an offset.
    """

    spans: tuple[Span, ...]
    _opens: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _closes: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.spans:
            raise ValueError("must have at least one span of days and times")
        for span in self.spans:
            if not span.days or not span.days <= set(range(7)):
                raise ValueError("days must be one or more of the seven days of the week")
            if span.start.tzinfo is not None or span.until.tzinfo is not None:
                raise ValueError("must be local times, without an offset")
        ranges = _merged(self.spans)
        object.__setattr__(self, "_opens", tuple(start for start, _ in ranges))
        object.__setattr__(self, "_closes", tuple(end for _, end in ranges))

    @property
    def always_open(self) -> bool:
        """Whether it leaves out nothing of the week."""
        return self._opens == (0,) and self._closes == (_WEEK,)

    @property
    def longest_wait(self) -> timedelta:
        """No opening is further away than this, unless a clock change swallows one."""
        if self.always_open:
            return timedelta()
        following = (*self._opens[1:], self._opens[0] + _WEEK)
        gaps = (start - end for start, end in zip(following, self._closes, strict=True))
        return timedelta(seconds=max(gaps)) + _LARGEST_CHANGE

    def is_open(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether clocks in ``zone`` show a time inside the window at ``instant``."""
        second = _second_of_week(instant.astimezone(zone))
        before = bisect_right(self._opens, second) - 1
        return before >= 0 and second < self._closes[before]

    def opening(self, instant: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant from ``instant`` on at which it is open: ``instant`` itself where it is.

        None where it does not open within 16 days.
        """
        return instant if self.is_open(instant, zone) else _next_change(self, instant, zone, opens=True)

    def closing(self, instant: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant from ``instant`` on at which it is closed; None where that is more than 16 days away."""
        return _next_change(self, instant, zone, opens=False) if self.is_open(instant, zone) else instant

    def edges(self, *, opens: bool) -> tuple[int, ...]:
        """Seconds from Monday 00:00 at which it opens, or closes."""
        if self.always_open:
            return ()
        # A span over the end of the week is kept as two ranges that touch: neither end of those is an edge.
        wraps = self._opens[0] == 0 and self._closes[-1] == _WEEK
        if opens:
            return self._opens[1:] if wraps else self._opens
        return self._closes[:-1] if wraps else tuple(end % _WEEK for end in self._closes)

    def dump(self) -> list[dict[str, Any]]:
        """Return its wire form: ``[{"days": ["MO"], "from": "08:00", "until": "20:00"}]``."""
        return [
            {
                "days": [WEEKDAYS[day] for day in sorted(span.days)],
                "from": _text(span.start),
                "until": _text(span.until),
            }
            for span in self.spans
        ]


def load(spans: Sequence[Mapping[str, Any]]) -> SendWindow:
    """Return the window of a wire form.

    Raises:
        ValueError, KeyError: It is none.
    """
    return SendWindow(
        tuple(
            Span(
                frozenset(WEEKDAYS.index(day) for day in span["days"]),
                time.fromisoformat(span["from"]),
                time.fromisoformat(span["until"]),
            )
            for span in spans
        )
    )


def _text(at: time) -> str:
    return at.isoformat("seconds" if at.second else "minutes")


def _merged(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Ranges of seconds of the week, in order and apart; a part past the end of the week begins again at 0."""
    ranges: list[tuple[int, int]] = []
    for span in spans:
        start, until = _second_of_day(span.start), _second_of_day(span.until)
        length = (until - start - 1) % _DAY + 1
        for day in span.days:
            begins = day * _DAY + start
            ends = begins + length
            ranges.append((begins, min(ends, _WEEK)))
            if ends > _WEEK:
                ranges.append((0, ends - _WEEK))
    merged: list[tuple[int, int]] = []
    for begins, ends in sorted(ranges):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        else:
            merged.append((begins, ends))
    return merged


def _second_of_day(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _second_of_week(wall: datetime) -> int:
    return wall.weekday() * _DAY + wall.hour * 3600 + wall.minute * 60 + wall.second


@lru_cache(maxsize=8192)
def _next_change(window: SendWindow, instant: datetime, zone: ZoneInfo, *, opens: bool) -> datetime | None:
    """The first instant after ``instant`` at which it opens, or closes. It is in the other state at ``instant``."""
    if window.always_open:
        return None
    edge = _next_edge(window, instant, zone, opens=opens)
    for change in _clock_changes(zone, instant, edge or instant + _HORIZON):
        if window.is_open(change, zone) is opens:
            return change
    return edge


def _next_edge(window: SendWindow, instant: datetime, zone: ZoneInfo, *, opens: bool) -> datetime | None:
    wall = instant.astimezone(zone).replace(tzinfo=None)
    found: datetime | None = None
    last = wall + _HORIZON
    # Where clocks go back, times that lie before what they show now are still to come.
    for edge in _walls_from(window.edges(opens=opens), wall - _LARGEST_CHANGE):
        if edge > last:
            return found
        for fold in (0, 1):
            there = edge.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            shown = there.astimezone(zone).replace(tzinfo=None)
            if there > instant and shown == edge and (found is None or there < found):
                found, last = there, min(last, edge + _LARGEST_CHANGE)
    return found


def _walls_from(edges: Sequence[int], since: datetime) -> Iterator[datetime]:
    """Local times at which a window changes, week after week; none where it never does."""
    monday = datetime.combine(since.date() - timedelta(days=since.weekday()), time.min)
    while edges:
        for second in sorted(edges):
            if (wall := monday + timedelta(seconds=second)) >= since:
                yield wall
        monday += timedelta(days=7)


def _clock_changes(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """The instants after ``since``, up to ``until``, from which on the zone has another offset."""
    start, offset = since, _offset(zone, since)
    while start < until:
        end = min(start + _STEP, until)
        if (following := _offset(zone, end)) != offset:
            low, high = start, end
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            yield high.replace(microsecond=0)
        start, offset = end, following


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
