"""Counts and percentiles, put together to days."""

from datetime import UTC, date, datetime

from console import charts
from console.views.business import Day, columns, days_of, first_day, latency_rows, rows, success_rows
from contracts.http.analytics import CountPoint, CountSeries, LatencyPoint, LatencySeries
from contracts.vocabulary import EventType

TODAY = date(2026, 11, 25)
START = datetime(2026, 11, 23, tzinfo=UTC)


def _counts(*points: tuple[int, str, EventType, int]) -> CountSeries:
    return CountSeries(
        grain="day",
        since=START,
        until=START,
        points=tuple(
            CountPoint(start=START.replace(day=day), outcome=outcome, event_type=event_type, count=count)
            for day, outcome, event_type, count in points
        ),
    )


def _latency(day: int) -> LatencySeries:
    point = LatencyPoint(start=START.replace(day=day), measure="end_to_end", count=9, p50=0.1, p95=2.5, p99=200)
    return LatencySeries(since=START, until=START, points=(point,))


def test_a_range_ends_with_today() -> None:
    assert first_day(TODAY, 3) == START
    assert first_day(TODAY, 1) == datetime(2026, 11, 25, tzinfo=UTC)


def test_every_day_of_the_range_is_there_with_what_happened_on_it() -> None:
    counts = _counts(
        (23, "completed", EventType.BIRTHDAY, 6),
        (23, "completed", EventType.REMINDER, 2),
        (23, "failed", EventType.BIRTHDAY, 1),
        (25, "missed", EventType.NOTIFICATION, 1),
    )
    first, second, third = days_of(counts, _latency(23), START, 3)
    assert (first.total_delivered, first.failed, first.missed, first.p95) == (8, 1, 0, 2.5)
    assert first.success_rate == 8 / 9
    assert (second.day, second.total_delivered, second.success_rate, second.p95) == (date(2026, 11, 24), 0, None, None)
    assert (third.missed, third.success_rate) == (1, 0)


def test_the_tables_have_the_days_on_which_something_ended_newest_first() -> None:
    counts = _counts((23, "completed", EventType.BIRTHDAY, 1), (25, "completed", EventType.BIRTHDAY, 1_234))
    days = days_of(counts, _latency(23), START, 3)
    newest, oldest = rows(days)
    assert newest == ["2026-11-25", "1,234", "0", "0", "0", "0", "0"]
    assert len(newest) == len(columns())
    assert oldest[0] == "2026-11-23"
    assert success_rows(days)[0] == ["2026-11-25", "100 %"]
    assert latency_rows(days) == [["2026-11-25", "–", "–", "–"], ["2026-11-23", "100 ms", "2.5 s", "3 min 20 s"]]


def test_missing_values_are_gaps_and_values_below_the_scale_stand_on_it() -> None:
    days = days_of(_counts(), _latency(24), START, 3)
    drawn = charts.latency([*days, Day(TODAY, {}, 0, 0, p50=0.0)])
    assert drawn["series"][0]["data"] == [None, 0.1, None, 0.001]
    assert charts.success(days)["series"][0]["data"] == [None, None, None]
    assert charts.delivered(days)["xAxis"]["data"] == ["23 Nov", "24 Nov", "25 Nov"]
