"""Send windows: when they are open, in every zone, over midnight and on the days on which clocks change."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from second_opinion import ZONES, transitions

from chassis.core.zones import zone
from contracts.send_window import SendWindow, Span, load

MINUTE = timedelta(minutes=1)
WEEK = frozenset(range(7))
WORKDAYS = frozenset(range(5))
DAYTIME = SendWindow((Span(WEEK, time(8), time(20)),))
NIGHT = SendWindow((Span(WEEK, time(22), time(6)),))

TIMES = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
SPANS = st.builds(Span, st.sets(st.integers(0, 6), min_size=1).map(frozenset), TIMES, TIMES)
WINDOWS = st.lists(SPANS, min_size=1, max_size=4).map(lambda spans: SendWindow(tuple(spans)))
CHANGES = {name: [each.after for each in transitions(name, 2024, 2027)] for name in ZONES}
CHANGING = [name for name, there in CHANGES.items() if there]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _shows(window: SendWindow, wall: datetime) -> bool:
    """The same in other words: whether some span, begun on this day or on the day before, still lasts at ``wall``."""
    for span in window.spans:
        for back in (0, 1):
            day = wall.date() - timedelta(days=back)
            start = datetime.combine(day, span.start)
            end = datetime.combine(day + timedelta(days=span.until <= span.start), span.until)
            if day.weekday() in span.days and start <= wall < end:
                return True
    return False


@st.composite
def _near_clock_changes(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone that changes its clocks, and an instant within two days of such a change."""
    name = draw(st.sampled_from(CHANGING))
    change = draw(st.sampled_from(CHANGES[name])).replace(tzinfo=zone(name)).astimezone(UTC)
    return name, change + draw(st.integers(-2 * 24 * 60, 2 * 24 * 60)) * MINUTE


@st.composite
def _anywhere(draw: st.DrawFn) -> tuple[str, datetime]:
    name = draw(st.sampled_from(ZONES))
    wall = draw(st.datetimes(*map(datetime.fromisoformat, ("2024-01-01", "2027-12-31"))))
    return name, wall.replace(second=0, microsecond=0, tzinfo=UTC)


PLACES = _anywhere() | _near_clock_changes()


@given(WINDOWS, PLACES)
@settings(max_examples=500)
def test_window_is_open_exactly_while_clocks_show_one_of_its_times(
    window: SendWindow, place: tuple[str, datetime]
) -> None:
    name, instant = place
    wall = instant.astimezone(zone(name)).replace(tzinfo=None)
    assert window.is_open(instant, zone(name)) is _shows(window, wall)


@given(WINDOWS, PLACES)
@example(NIGHT, ("Europe/Berlin", _instant("2026-10-24T12:00+02:00")))
@example(SendWindow((Span(WEEK, time(2, 30), time(4)),)), ("Europe/Berlin", _instant("2026-03-29T00:00+01:00")))
@example(SendWindow((Span(WEEK, time(2), time(3)),)), ("Europe/Berlin", _instant("2026-03-29T00:00+01:00")))
@example(SendWindow((Span(frozenset({6}), time(0), time(1, 30)),)), ("Africa/Cairo", _instant("2026-10-29T12:00Z")))
@settings(max_examples=60, deadline=None)
def test_opening_is_the_first_open_instant_and_closing_the_first_closed_one(
    window: SendWindow, place: tuple[str, datetime]
) -> None:
    name, instant = place
    there = zone(name)
    for state, find in ((True, window.opening), (False, window.closing)):
        found = find(instant, there)
        # Minute by minute: times, offsets and clock changes of these years are whole minutes.
        walked, last = instant, instant + timedelta(days=15)
        while walked < last and _shows(window, walked.astimezone(there).replace(tzinfo=None)) is not state:
            walked += MINUTE
        if walked < last:
            assert found == walked
        else:
            assert found is None or found >= last


def test_windows_open_and_close_on_time_around_every_clock_change_of_every_zone() -> None:
    windows = (NIGHT, SendWindow((Span(WEEK, time(1, 30), time(2, 30)),)))
    for name in CHANGING:
        there = zone(name)
        for change in CHANGES[name]:
            since = change.replace(tzinfo=there).astimezone(UTC) - timedelta(hours=3)
            for window in windows:
                state = window.is_open(since, there)
                found = (window.closing if state else window.opening)(since, there)
                assert found is not None
                walked = since
                while window.is_open(walked, there) is state:
                    walked += MINUTE
                assert found == walked, name


@given(PLACES)
@settings(max_examples=100)
def test_wait_for_an_opening_is_never_longer_than_the_window_says(place: tuple[str, datetime]) -> None:
    name, instant = place
    for window in (DAYTIME, NIGHT, SendWindow((Span(WORKDAYS, time(9), time(17)),))):
        opening = window.opening(instant, zone(name))
        assert opening is not None
        assert timedelta() <= opening - instant <= window.longest_wait


@pytest.mark.parametrize(
    ("window", "name", "instant", "opening"),
    [
        (DAYTIME, "Europe/Berlin", "2026-11-23T03:00+01:00", "2026-11-23T08:00+01:00"),
        (DAYTIME, "Europe/Berlin", "2026-11-23T20:00+01:00", "2026-11-24T08:00+01:00"),
        (DAYTIME, "Europe/Berlin", "2026-11-23T19:59+01:00", "2026-11-23T19:59+01:00"),
        (NIGHT, "America/New_York", "2026-11-01T01:30-04:00", "2026-11-01T01:30-04:00"),
        (NIGHT, "America/New_York", "2026-11-01T06:00-05:00", "2026-11-01T22:00-05:00"),
        # 02:00 to 03:00 do not exist that night: the window opens when clocks go forward.
        (
            SendWindow((Span(WEEK, time(2, 30), time(4)),)),
            "Europe/Berlin",
            "2026-03-29T00:30+01:00",
            "2026-03-29T03:00+02:00",
        ),
        # All of it is left out that night: the next is a day later.
        (
            SendWindow((Span(WEEK, time(2), time(3)),)),
            "Europe/Berlin",
            "2026-03-29T00:30+01:00",
            "2026-03-30T02:00+02:00",
        ),
        # 01:00 to 02:00 comes twice in New York, and so does the window.
        (
            SendWindow((Span(WEEK, time(1), time(1, 30)),)),
            "America/New_York",
            "2026-11-01T01:45-04:00",
            "2026-11-01T01:00-05:00",
        ),
        # Friday 30 December 2011 did not exist in Samoa.
        (
            SendWindow((Span(frozenset({4}), time(9), time(17)),)),
            "Pacific/Apia",
            "2011-12-29T09:00-10:00",
            "2012-01-06T09:00+14:00",
        ),
        (
            SendWindow((Span(WORKDAYS, time(9), time(17)),)),
            "Asia/Kathmandu",
            "2026-11-27T17:00+05:45",
            "2026-11-30T09:00+05:45",
        ),
    ],
    ids=[
        "before-it-opens",
        "as-it-closes",
        "inside",
        "over-midnight-inside",
        "over-midnight-closed",
        "start-in-a-gap",
        "swallowed-by-a-gap",
        "twice-in-an-overlap",
        "day-left-out",
        "over-the-weekend",
    ],
)
def test_opening_by_local_time(window: SendWindow, name: str, instant: str, opening: str) -> None:
    assert window.opening(_instant(instant), zone(name)) == _instant(opening)


def test_span_over_midnight_on_sunday_continues_into_monday() -> None:
    window = SendWindow((Span(frozenset({6}), time(22), time(6)),))
    berlin = zone("Europe/Berlin")
    assert window.is_open(_instant("2026-11-30T05:59+01:00"), berlin)  # a Monday
    assert not window.is_open(_instant("2026-11-30T06:00+01:00"), berlin)
    assert not window.is_open(_instant("2026-11-29T05:00+01:00"), berlin)
    assert window.closing(_instant("2026-11-29T23:00+01:00"), berlin) == _instant("2026-11-30T06:00+01:00")


def test_span_that_ends_where_it_starts_lasts_a_day() -> None:
    whole = SendWindow((Span(WEEK, time(0), time(0)),))
    assert whole.always_open
    assert whole.closing(_instant("2026-11-30T05:59Z"), zone("UTC")) is None
    assert whole.longest_wait == timedelta()
    saturday = SendWindow((Span(frozenset({5}), time(12), time(12)),))
    assert saturday.closing(_instant("2026-11-28T12:00Z"), zone("UTC")) == _instant("2026-11-29T12:00Z")


def test_spans_that_touch_or_overlap_are_one() -> None:
    window = SendWindow((Span(WEEK, time(8), time(12)), Span(WEEK, time(12), time(18)), Span(WEEK, time(17), time(20))))
    assert window.closing(_instant("2026-11-28T08:00Z"), zone("UTC")) == _instant("2026-11-28T20:00Z")
    assert all(earlier < later for earlier, later in pairwise(window.edges(opens=True)))


@given(WINDOWS)
def test_wire_form_is_read_back(window: SendWindow) -> None:
    assert load(window.dump()) == window


def test_wire_form_has_days_and_local_times() -> None:
    window = SendWindow((Span(WORKDAYS, time(8), time(20)), Span(frozenset({5}), time(10, 0, 30), time(0))))
    assert window.dump() == [
        {"days": ["MO", "TU", "WE", "TH", "FR"], "from": "08:00", "until": "20:00"},
        {"days": ["SA"], "from": "10:00:30", "until": "00:00"},
    ]


@pytest.mark.parametrize(
    ("spans", "rule"),
    [
        ((), "at least one span"),
        ((Span(frozenset(), time(8), time(20)),), "days"),
        ((Span(frozenset({7}), time(8), time(20)),), "days"),
        ((Span(WEEK, time(8, tzinfo=UTC), time(20)),), "without an offset"),
    ],
    ids=["no-span", "no-day", "eighth-day", "offset"],
)
def test_impossible_window_is_refused_with_the_rule(spans: tuple[Span, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        SendWindow(spans)
