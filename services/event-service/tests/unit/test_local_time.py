"""From wall times to instants: gaps, overlaps, odd offsets and leap days, and an independent library's opinion."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_opinion import ZONES, second_opinion

from chassis.core.zones import zone
from event_service.domain.local_time import (
    Applied,
    GapPolicy,
    LeapDayPolicy,
    OverlapPolicy,
    Resolved,
    anniversary_date,
    instants_by_zone,
    resolve,
    to_instant,
)

WALLS = st.datetimes(*map(datetime.fromisoformat, ("1900-01-01", "2150-01-01"))).map(
    lambda wall: wall.replace(microsecond=0)
)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


GAPS = [
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:30-04:00"),
    ("Europe/Dublin", "2026-03-29T01:30", "2026-03-29T02:30+01:00"),
    ("Africa/Cairo", "2026-04-24T00:00", "2026-04-24T01:00+03:00"),
    ("Asia/Beirut", "2026-03-29T00:00", "2026-03-29T01:00+03:00"),
    ("America/Asuncion", "2023-10-01T00:00", "2023-10-01T01:00-03:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:45+11:00"),
    ("Antarctica/Troll", "2026-03-29T01:30", "2026-03-29T03:30+02:00"),
    ("Africa/Casablanca", "2025-04-06T02:30", "2025-04-06T03:30+01:00"),
    ("Pacific/Apia", "2011-12-30T09:00", "2011-12-31T09:00+14:00"),
]
OVERLAPS = [
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00"),
    ("Europe/Dublin", "2026-10-25T01:30", "2026-10-25T01:30+01:00", "2026-10-25T01:30+00:00"),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45+11:00", "2026-04-05T01:45+10:30"),
    ("Africa/Casablanca", "2025-02-23T02:30", "2025-02-23T02:30+01:00", "2025-02-23T02:30+00:00"),
    ("Africa/Cairo", "2026-10-29T23:30", "2026-10-29T23:30+03:00", "2026-10-29T23:30+02:00"),
]


@pytest.mark.parametrize(("name", "wall", "shifted"), GAPS, ids=[name for name, *_ in GAPS])
def test_a_time_in_a_gap_moves_by_the_length_of_the_gap_or_is_skipped(name: str, wall: str, shifted: str) -> None:
    local = datetime.fromisoformat(wall)
    for overlap in OverlapPolicy:
        assert resolve(local, zone(name), overlap=overlap) == Resolved(_instant(shifted), Applied.GAP_SHIFTED)
        assert to_instant(local, zone(name), gap=GapPolicy.SKIP, overlap=overlap) is None


@pytest.mark.parametrize(("name", "wall", "first", "second"), OVERLAPS, ids=[name for name, *_ in OVERLAPS])
def test_a_time_that_comes_twice_is_the_first_or_the_second(name: str, wall: str, first: str, second: str) -> None:
    local = datetime.fromisoformat(wall)
    for gap in GapPolicy:
        assert resolve(local, zone(name), gap=gap) == Resolved(_instant(first), Applied.OVERLAP_FIRST)
        later = resolve(local, zone(name), gap=gap, overlap=OverlapPolicy.SECOND)
        assert later == Resolved(_instant(second), Applied.OVERLAP_SECOND)


@pytest.mark.parametrize(
    ("name", "instant"),
    [
        ("Asia/Kolkata", "2026-06-01T03:30Z"),
        ("Asia/Calcutta", "2026-06-01T03:30Z"),
        ("Asia/Kathmandu", "2026-06-01T03:15Z"),
        ("Australia/Eucla", "2026-06-01T00:15Z"),
        ("Pacific/Chatham", "2026-05-31T20:15Z"),
        ("America/St_Johns", "2026-06-01T11:30Z"),
        ("Pacific/Marquesas", "2026-06-01T18:30Z"),
        ("Pacific/Kiritimati", "2026-05-31T19:00Z"),
        ("Etc/GMT+12", "2026-06-01T21:00Z"),
        ("US/Pacific", "2026-06-01T16:00Z"),
    ],
)
def test_nine_in_the_morning_is_found_at_any_offset(name: str, instant: str) -> None:
    assert to_instant(datetime.fromisoformat("2026-06-01T09:00"), zone(name)) == datetime.fromisoformat(instant)


@given(st.sampled_from(ZONES), WALLS)
def test_an_independent_library_finds_the_same_instants_and_the_same_reasons(name: str, wall: datetime) -> None:
    for (gap, overlap), expected in second_opinion(wall, name).items():
        assert resolve(wall, zone(name), gap=gap, overlap=overlap) == expected
        assert to_instant(wall, zone(name), gap=gap, overlap=overlap) == (expected and expected.instant)


@given(st.sampled_from(ZONES), WALLS, st.sampled_from(GapPolicy), st.sampled_from(OverlapPolicy))
def test_an_instant_is_in_utc_and_shows_the_wall_time_or_one_later(
    name: str, wall: datetime, gap: GapPolicy, overlap: OverlapPolicy
) -> None:
    instant = to_instant(wall, zone(name), gap=gap, overlap=overlap)
    if instant is None:
        assert gap is GapPolicy.SKIP
        return
    assert instant.tzinfo is UTC
    shown = instant.astimezone(zone(name)).replace(tzinfo=None)
    assert shown == wall or (gap is GapPolicy.SHIFT_FORWARD and wall < shown <= wall + timedelta(days=1))


@pytest.mark.parametrize(
    ("policy", "kept_on"),
    [
        (LeapDayPolicy.BACKWARD, date(2027, 2, 28)),
        (LeapDayPolicy.FORWARD, date(2027, 3, 1)),
        (LeapDayPolicy.OMIT, None),
    ],
)
def test_a_leap_day_is_kept_in_common_years_as_its_policy_says(policy: LeapDayPolicy, kept_on: date | None) -> None:
    assert anniversary_date(2, 29, 2027, policy) == kept_on
    assert anniversary_date(2, 29, 2100, policy) == (kept_on and kept_on.replace(year=2100))
    assert anniversary_date(2, 29, 2028, policy) == date(2028, 2, 29)
    assert anniversary_date(2, 28, 2027, policy) == date(2027, 2, 28)


def test_a_date_that_no_year_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="day"):
        anniversary_date(2, 30, 2028, LeapDayPolicy.BACKWARD)


def test_one_wall_time_has_an_instant_in_each_zone_but_where_a_gap_skips_it() -> None:
    zones = [zone(name) for name in ("Africa/Cairo", "Asia/Tokyo", "Europe/Berlin")]
    midnight = datetime.fromisoformat("2026-04-24T00:00")
    elsewhere = {"Asia/Tokyo": _instant("2026-04-23T15:00Z"), "Europe/Berlin": _instant("2026-04-23T22:00Z")}
    assert instants_by_zone(midnight, zones, gap=GapPolicy.SKIP) == elsewhere
    assert instants_by_zone(midnight, zones) == {"Africa/Cairo": _instant("2026-04-23T22:00Z"), **elsewhere}
