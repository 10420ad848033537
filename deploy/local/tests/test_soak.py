"""What the soak of a year expects, computed without the services."""

import ast
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from local_stack.soak import expected
from local_stack.soak.expected import Kind, Series

NEW_YEAR = datetime(2027, 1, 1, 0, 7, tzinfo=UTC)


def _run(series: Series, since: datetime, days: float) -> datetime:
    until = since + timedelta(days=days)
    series.run(since, until)
    return until


def _shown(series: Series) -> list[str]:
    return [f"{each:%m-%dT%H:%M}" for each in series.expected]


def test_it_is_computed_by_the_standard_library_and_the_data_of_holidays_alone() -> None:
    tree = ast.parse(Path(expected.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported
    # The days that a country keeps are data, which both must have from one place.
    assert imported - {"holidays"} <= sys.stdlib_module_names


def test_a_daily_series_keeps_its_local_time_over_a_clock_change() -> None:
    series = Series("daily", Kind.DAILY, "America/New_York", date(2027, 1, 1), time(9))
    _run(series, datetime(2027, 3, 13, 0, 7, tzinfo=UTC), 2)
    assert _shown(series) == ["03-13T14:00", "03-14T13:00"]


def test_an_hourly_series_counts_an_hour_that_comes_twice_once_and_has_none_in_a_gap() -> None:
    # The day in which clocks go forward has 23 hours, the one in which they go back 25.
    for midnight, hours, count in (("2027-03-14T05:00", 23, 23), ("2027-11-07T04:00", 25, 24)):
        series = Series("hourly", Kind.HOURLY, "America/New_York", date(2027, 1, 1), time(0, 30))
        _run(series, datetime.fromisoformat(f"{midnight}+00:00"), hours / 24)
        assert len(series.expected) == count


def test_a_day_that_passed_does_not_come_again_and_one_that_an_edit_moves_into_the_past_is_late() -> None:
    series = Series("daily", Kind.DAILY, "UTC", date(2027, 1, 1), time(9))
    now = _run(series, NEW_YEAR, 0.5)  # 12:07
    series.change(now, at=time(15))
    now = _run(series, now, 1)
    series.change(now, at=time(9))  # the one of 2 January has fired? No: at 12:07 its 15:00 is to come
    now = _run(series, now, 1)
    assert _shown(series) == ["01-01T09:00", "01-02T09:00", "01-03T09:00"]


def test_a_move_concerns_one_occurrence() -> None:
    series = Series("daily", Kind.DAILY, "UTC", date(2027, 1, 1), time(9))
    series.move(NEW_YEAR, NEW_YEAR + timedelta(days=2, hours=4))
    _run(series, NEW_YEAR, 4)
    assert sorted(_shown(series)) == ["01-02T09:00", "01-03T04:07", "01-03T09:00", "01-04T09:00"]


def test_hourly_series_continues_at_the_next_hour_after_a_change_of_zone() -> None:
    series = Series("hourly", Kind.HOURLY, "Asia/Tokyo", date(2026, 12, 20), time(0))
    now = _run(series, NEW_YEAR, 0.1)
    series.change(now, zone="America/Los_Angeles")
    _run(series, now, 0.1)
    assert _shown(series) == ["01-01T01:00", "01-01T02:00", "01-01T03:00", "01-01T04:00"]
