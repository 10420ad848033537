"""Ranges are put together from whole days, hours and minutes, without a gap and without an overlap."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.errors import RangeTooLongError
from analytics_service.domain.grains import Grain, Segment, cover
from analytics_service.domain.series import MAX_SPANS, Range

instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(0), timedelta(days=40))


@given(instants, lengths)
def test_segments_follow_one_another_and_hold_the_whole_range(start: datetime, length: timedelta) -> None:
    end = start + length
    segments = cover(start, end)
    bounds = [segment.start for segment in segments] + [segments[-1].end] if segments else [start, start]
    assert bounds[0] == Grain.MINUTE.floor(start) or not segments
    assert bounds[-1] == Grain.MINUTE.ceil(end) or not segments
    for segment, following in pairwise(segments):
        assert segment.end == following.start
    for segment in segments:
        assert segment.start < segment.end
        assert segment.grain.floor(segment.start) == segment.start
        assert segment.grain.floor(segment.end) == segment.end


@given(instants, lengths)
def test_a_range_is_a_handful_of_rows_however_long_it_is(start: datetime, length: timedelta) -> None:
    spans = dict.fromkeys(Grain, 0)
    for segment in cover(start, start + length):
        spans[segment.grain] += (segment.end - segment.start) // segment.grain.length
    assert spans[Grain.MINUTE] < 2 * 60
    assert spans[Grain.HOUR] < 2 * 24


def test_a_week_is_days_with_hours_and_minutes_at_its_edges() -> None:
    start = datetime(2026, 11, 16, 22, 58, 30, tzinfo=UTC)
    assert cover(start, datetime(2026, 11, 23, 1, 1, tzinfo=UTC)) == [
        Segment(Grain.MINUTE, datetime(2026, 11, 16, 22, 58, tzinfo=UTC), datetime(2026, 11, 16, 23, tzinfo=UTC)),
        Segment(Grain.HOUR, datetime(2026, 11, 16, 23, tzinfo=UTC), datetime(2026, 11, 17, tzinfo=UTC)),
        Segment(Grain.DAY, datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        Segment(Grain.HOUR, datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 23, 1, tzinfo=UTC)),
        Segment(Grain.MINUTE, datetime(2026, 11, 23, 1, tzinfo=UTC), datetime(2026, 11, 23, 1, 1, tzinfo=UTC)),
    ]


def test_spans_are_those_of_utc_whatever_zone_an_instant_is_written_in() -> None:
    kathmandu = datetime(2026, 11, 23, 2, 10, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert Grain.HOUR.floor(kathmandu) == datetime(2026, 11, 22, 20, tzinfo=UTC)
    assert Grain.DAY.floor(kathmandu) == datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=-1), timedelta(minutes=MAX_SPANS + 1)])
def test_a_range_is_neither_empty_nor_endless(length: timedelta) -> None:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    with pytest.raises(RangeTooLongError):
        Range.of(Grain.MINUTE, start, start + length)
