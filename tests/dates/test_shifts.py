"""The dates of `make test-dates` are what their names say, on whatever day they are computed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from shifts import EVERY, NAMED, shift

# A leap day, both ends of a year, and hours on both sides of the changes of clocks.
TODAYS = [
    datetime(2026, 11, 29, 1, 20, tzinfo=UTC),
    datetime(2028, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 45, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2027, 3, 28, 0, 59, 45, tzinfo=UTC),
    datetime(2096, 3, 1, tzinfo=UTC),
]


@pytest.mark.parametrize("now", TODAYS, ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_every_date_lies_ahead_by_at_most_eight_years(name: str, now: datetime) -> None:
    assert timedelta() < shift(name, now) <= timedelta(days=8 * 366)


@pytest.mark.parametrize("now", TODAYS, ids=str)
def test_named_days_are_those_days(now: datetime) -> None:
    begins = {name: now + shift(name, now) for name in NAMED}
    assert (begins["28-february"].month, begins["28-february"].day) == (2, 28)
    assert (begins["29-february"].month, begins["29-february"].day) == (2, 29)
    assert f"{begins['new-year']:%m-%d %H:%M:%S}" == "12-31 23:59:30"


@pytest.mark.parametrize("now", TODAYS, ids=str)
@pytest.mark.parametrize(
    ("name", "zone", "gained"),
    [
        ("europe-forward", "Europe/Berlin", 1),
        ("europe-back", "Europe/Berlin", -1),
        ("america-forward", "America/New_York", 1),
        ("america-back", "America/New_York", -1),
    ],
)
def test_clocks_change_half_a_minute_after_the_start(name: str, zone: str, gained: int, now: datetime) -> None:
    begin = now + shift(name, now)
    before, after = (each.astimezone(ZoneInfo(zone)).utcoffset() for each in (begin, begin + timedelta(seconds=30)))
    assert before is not None
    assert after is not None
    assert after - before == timedelta(hours=gained)


@pytest.mark.parametrize("name", ["tomorrow", "+d", "+1", "400d", "-3d", ""])
def test_an_unknown_date_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be \+<days>d or one of 28-february"):
        shift(name, TODAYS[0])
