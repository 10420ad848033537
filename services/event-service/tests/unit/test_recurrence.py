"""Yearly rules: over all zones, days and times, never too early, never skipped, never a year twice."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import second_opinion
from hypothesis import given
from hypothesis import strategies as st

from chassis.core.zones import zone
from event_service.domain.errors import InvalidRuleError
from event_service.domain.local_time import Applied, GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.occurrences import next_occurrence
from event_service.domain.recurrence import Once, Policies, Recurring, Yearly, upcoming
from event_service.domain.schedules import LiveEvent

ZONES = st.sampled_from(second_opinion.ZONES).map(zone)
DAYS = st.dates(date(2000, 1, 1), date(2000, 12, 31)).map(lambda day: (day.month, day.day))
TIMES = st.times().map(lambda at: at.replace(microsecond=0))
INSTANTS = st.datetimes(*map(datetime.fromisoformat, ("1960-01-01", "2120-01-01")), timezones=st.just(UTC))
POLICIES = st.builds(
    Policies, st.sampled_from(GapPolicy), st.sampled_from(OverlapPolicy), st.sampled_from(LeapDayPolicy)
)
GRACE = timedelta(hours=72)


@st.composite
def rules(draw: st.DrawFn, policies: st.SearchStrategy[Policies] = st.just(Policies())) -> Yearly:  # noqa: B008
    month, day = draw(DAYS)
    return Yearly(month, day, draw(TIMES), draw(ZONES), draw(policies))


def _live(rule: Yearly, key: str) -> LiveEvent:
    found = rule.occurrence(key)
    assert found is not None
    return LiveEvent(uuid4(), found.instant, key, pending=True)


@given(rules(POLICIES), INSTANTS)
def test_the_first_occurrence_is_never_before_the_earliest(rule: Yearly, earliest: datetime) -> None:
    found = rule.first_from(earliest)
    assert found is not None
    assert found.instant >= earliest
    assert found == rule.occurrence(found.key)


@given(rules(POLICIES), INSTANTS)
def test_no_occurrence_lies_between_the_earliest_and_the_first(rule: Yearly, earliest: datetime) -> None:
    found = rule.first_from(earliest)
    assert found is not None
    for year in range(earliest.year - 2, int(found.key)):
        earlier = rule.occurrence(str(year))
        assert earlier is None or earlier.instant < earliest


@given(rules(), INSTANTS)
def test_a_yearly_occurrence_is_at_most_a_year_and_two_days_away(rule: Yearly, earliest: datetime) -> None:
    found = rule.first_from(earliest)
    assert found is not None
    assert found.instant - earliest <= timedelta(days=368)


@given(rules(POLICIES), INSTANTS)
def test_a_chain_of_occurrences_never_repeats_a_year_and_only_moves_on(rule: Yearly, earliest: datetime) -> None:
    last = rule.first_from(earliest)
    for _ in range(6):
        assert last is not None
        following = rule.first_from(last.instant, after=last.key)
        assert following is not None
        assert int(following.key) > int(last.key)
        assert following.instant > last.instant
        last = following


@given(rules(), INSTANTS)
def test_an_independent_library_finds_the_same_next_birthday(rule: Yearly, earliest: datetime) -> None:
    found = rule.first_from(earliest)
    assert found is not None
    candidates = []
    for year in range(earliest.year - 2, earliest.year + 4):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        day = 28 if (rule.month, rule.day) == (2, 29) and not leap else rule.day
        wall = datetime.combine(date(year, rule.month, day), rule.local_time)
        there = second_opinion.second_opinion(wall, rule.zone.key)[GapPolicy.SHIFT_FORWARD, OverlapPolicy.FIRST]
        assert there is not None
        candidates.append(there.instant)
    assert found.instant == min(each for each in candidates if each >= earliest)


@given(rules(), ZONES, TIMES, INSTANTS)
def test_a_move_keeps_the_occurrence_while_it_is_inside_its_grace(
    rule: Yearly, other_zone: ZoneInfo, other_time: time, now: datetime
) -> None:
    first = rule.first_from(now)
    assert first is not None
    moved = Yearly(rule.month, rule.day, other_time, other_zone)
    there = moved.occurrence(first.key)
    found = next_occurrence(moved, now=now, grace=GRACE, last=None, moving=_live(rule, first.key))
    assert there is not None
    assert found is not None
    following = moved.first_from(now)
    assert following is not None
    kept = there.instant + GRACE > now and there.instant <= following.instant
    assert found == (there if kept else following)


@given(
    rules(), st.lists(st.tuples(ZONES, TIMES, st.timedeltas(timedelta(0), timedelta(days=500))), max_size=8), INSTANTS
)
def test_no_year_fires_twice_under_any_changes_of_zone(
    rule: Yearly, travels: list[tuple[ZoneInfo, time, timedelta]], now: datetime
) -> None:
    greeted: list[str] = []
    live = next_occurrence(rule, now=now, grace=GRACE, last=None)
    for where, at, pause in travels:
        assert live is not None
        now += pause
        while live is not None and live.instant <= now:
            greeted.append(live.key)
            live = next_occurrence(rule, now=max(now, live.instant), grace=GRACE, last=live.key)
        assert live is not None
        rule = Yearly(rule.month, rule.day, at, where)
        last = greeted[-1] if greeted else None
        live = next_occurrence(rule, now=now, grace=GRACE, last=last, moving=_live(rule, live.key))
    assert len(greeted) == len(set(greeted))
    assert greeted == sorted(greeted)


def test_a_leap_day_birthday_comes_every_year() -> None:
    rule = Yearly(2, 29, time(9), zone("UTC"))
    found, now = [], datetime(2027, 1, 1, tzinfo=UTC)
    for _ in range(3):
        following = rule.first_from(now)
        assert following is not None
        found.append(following.instant.date())
        now = following.instant + timedelta(seconds=1)
    assert found == [date(2027, 2, 28), date(2028, 2, 29), date(2029, 2, 28)]


def test_an_omitted_leap_day_waits_through_a_century_without_one() -> None:
    rule = Yearly(2, 29, time(9), zone("UTC"), Policies(leap_day=LeapDayPolicy.OMIT))
    found = rule.first_from(datetime(1896, 3, 1, tzinfo=UTC))
    assert found is not None
    assert found.key == "1904"


def test_new_year_in_kiritimati_belongs_to_the_year_that_begins_there() -> None:
    rule = Yearly(1, 1, time(0), zone("Pacific/Kiritimati"))
    found = rule.first_from(datetime(2026, 12, 31, 9, tzinfo=UTC))
    assert found is not None
    assert (found.key, found.instant) == ("2027", datetime(2026, 12, 31, 10, tzinfo=UTC))


def test_the_day_that_samoa_skipped_was_kept_the_day_after() -> None:
    rule = Yearly(12, 30, time(9), zone("Pacific/Apia"))
    found = rule.first_from(datetime(2011, 12, 1, tzinfo=UTC))
    assert found is not None
    assert found.instant.astimezone(rule.zone).isoformat() == "2011-12-31T09:00:00+14:00"
    assert rule.first_from(found.instant, after=found.key) == rule.occurrence("2012")


def test_a_year_that_has_been_greeted_is_passed_over() -> None:
    rule = Yearly(12, 1, time(9), zone("UTC"))
    now = datetime(2026, 11, 23, tzinfo=UTC)
    found = next_occurrence(rule, now=now, grace=GRACE, last="2026")
    assert found is not None
    assert found.key == "2027"


def test_a_new_schedule_does_not_reach_into_the_past() -> None:
    rule = Yearly(11, 23, time(9), zone("UTC"))
    for now, key in [
        (datetime(2026, 11, 23, 9, tzinfo=UTC), "2026"),
        (datetime(2026, 11, 23, 9, 0, 1, tzinfo=UTC), "2027"),
    ]:
        found = next_occurrence(rule, now=now, grace=GRACE, last=None)
        assert found is not None
        assert found.key == key


def test_a_move_to_the_west_may_bring_this_years_moment_back() -> None:
    now = datetime(2026, 11, 23, 1, tzinfo=UTC)
    born_in_tokyo = Yearly(11, 23, time(9), zone("Asia/Tokyo"))
    first = next_occurrence(born_in_tokyo, now=now, grace=GRACE, last=None)
    assert first is not None
    assert first.key == "2027"
    moved = Yearly(11, 23, time(9), zone("America/New_York"))
    for last, key in [(None, "2026"), ("2026", "2027")]:
        found = next_occurrence(moved, now=now, grace=GRACE, last=last, moving=_live(born_in_tokyo, "2027"))
        assert found is not None
        assert found.key == key


def test_a_move_to_a_time_long_past_keeps_the_occurrence_which_will_be_missed() -> None:
    rule = Yearly(11, 23, time(9), zone("UTC"))
    now = datetime(2026, 11, 26, 9, tzinfo=UTC)
    found = next_occurrence(rule, now=now, grace=GRACE, last=None, moving=_live(rule, "2026"))
    assert found is not None
    assert (found.key, found.instant + GRACE <= now) == ("2026", True)


def test_event_due_during_downtime_survives_a_change_of_its_user() -> None:
    daily = Recurring(datetime.fromisoformat("2026-01-01T09:00"), "FREQ=DAILY", frozenset(), zone("UTC"))
    back = datetime(2026, 1, 5, 12, tzinfo=UTC)
    waiting = daily.occurrence("2026-01-01T09:00:00")
    assert waiting is not None
    live = LiveEvent(uuid4(), waiting.instant, waiting.key, pending=True)
    found = next_occurrence(daily, now=back, grace=GRACE, last="2025-12-31T09:00:00", moving=live)
    assert found is not None
    assert found.key == "2026-01-01T09:00:00"  # it will be missed, with a record, and the next ones after it


def test_a_rule_for_one_time_has_that_occurrence_alone() -> None:
    once = Once(datetime.fromisoformat("2026-03-29T02:30"), zone("Europe/Berlin"))
    found = once.first_from(datetime(2026, 1, 1, tzinfo=UTC))
    assert found is not None
    assert (found.key, found.policy) == ("2026-03-29T02:30:00", (Applied.GAP_SHIFTED,))
    assert once.occurrence(found.key) == found
    assert once.occurrence("2026-03-29T03:30:00") is None
    assert once.first_from(found.instant) == found
    assert once.first_from(found.instant + timedelta(seconds=1)) is None
    assert list(upcoming(once, datetime(2026, 1, 1, tzinfo=UTC))) == [found]
    skipped = Once(once.wall, once.zone, Policies(gap=GapPolicy.SKIP))
    assert skipped.first_from(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(("month", "day"), [(2, 30), (4, 31), (13, 1), (1, 0)])
def test_a_yearly_rule_on_a_day_that_no_year_has_is_refused(month: int, day: int) -> None:
    with pytest.raises(InvalidRuleError, match=f"no year has a day {day} in month {month}"):
        Yearly(month, day, time(9), zone("UTC"))


@pytest.mark.parametrize(
    ("name", "at", "year", "policies", "expected"),
    [
        ("America/Asuncion", "23:30", "1998", Policies(), (Applied.LEAP_DAY_BACKWARD, Applied.OVERLAP_FIRST)),
        (
            "Asia/Damascus",
            "02:30",
            "1987",
            Policies(leap_day=LeapDayPolicy.FORWARD),
            (Applied.LEAP_DAY_FORWARD, Applied.GAP_SHIFTED),
        ),
    ],
)
def test_both_what_moved_the_day_and_what_chose_the_time_are_named(
    name: str, at: str, year: str, policies: Policies, expected: tuple[Applied, ...]
) -> None:
    found = Yearly(2, 29, time.fromisoformat(at), zone(name), policies).occurrence(year)
    assert found is not None
    assert found.policy == expected
