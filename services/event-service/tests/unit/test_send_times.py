"""When events are sent: spread, moved into send windows and onto working days, and coalesced where they meet."""

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from uuid import UUID, uuid5

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from second_opinion import ZONES

from chassis.core.zones import zone
from contracts.send_window import SendWindow, Span
from event_service.domain.adjusted import Adjusted
from event_service.domain.business_days import Adjust, BusinessDays
from event_service.domain.calendars import Calendar, Days
from event_service.domain.errors import InvalidRuleError
from event_service.domain.local_time import Applied
from event_service.domain.recurrence import Occurrence, Once, Policies, Recurring, Rule, Yearly, upcoming
from event_service.domain.send_times import Sending, SendTime
from event_service.domain.spread import offset, share_of

WEEK = frozenset(range(7))
DAYTIME = SendWindow((Span(WEEK, time(8), time(20)),))
OFFICE = SendWindow((Span(frozenset(range(5)), time(9), time(17)),))
DAY = timedelta(days=1)
BERLIN = zone("Europe/Berlin")
NAMESPACE = UUID(int=12)
WALLS = st.datetimes(*map(datetime.fromisoformat, ("2025-01-01", "2027-12-31"))).map(
    lambda wall: wall.replace(microsecond=0)
)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _rule(rrule: str, start: str, name: str = "Europe/Berlin") -> Rule:
    return Recurring(datetime.fromisoformat(start), rrule, frozenset(), zone(name))


def _adjusted(
    rule: Rule,
    window: SendWindow | None = None,
    *,
    grace: timedelta = DAY,
    spread: timedelta = timedelta(),
    share: int = 0,
    days: BusinessDays | None = None,
) -> Adjusted:
    return Adjusted(rule, Policies(), Sending(rule.zone, grace, window, spread, share), days)


def _local(rule: Rule, since: str, count: int) -> list[str]:
    found = islice(upcoming(rule, _instant(since)), count)
    return [each.instant.astimezone(rule.zone).replace(tzinfo=None).isoformat(timespec="minutes") for each in found]


# -- windows ----------------------------------------------------------------------------------------------------------


def test_time_inside_the_window_is_kept() -> None:
    at = _instant("2026-11-23T09:00+01:00")
    assert Sending(BERLIN, DAY, DAYTIME).at(at) == SendTime(at, at)


def test_time_outside_the_window_waits_for_its_next_opening() -> None:
    sent = Sending(BERLIN, DAY, DAYTIME).at(_instant("2026-11-23T03:00+01:00"))
    assert sent.due == _instant("2026-11-23T08:00+01:00")
    assert sent.planned == _instant("2026-11-23T03:00+01:00")
    assert sent.applied == (Applied.SEND_WINDOW,)


def test_time_without_an_opening_inside_its_grace_keeps_its_instant_and_is_named_missed() -> None:
    at = _instant("2026-11-23T03:00+01:00")
    assert Sending(BERLIN, timedelta(hours=5), DAYTIME).at(at).applied == (Applied.SEND_WINDOW_MISSED,)
    assert Sending(BERLIN, timedelta(hours=5), DAYTIME).at(at).due == at
    assert Sending(BERLIN, timedelta(hours=5, seconds=1), DAYTIME).at(at).applied == (Applied.SEND_WINDOW,)


def test_late_event_is_held_back_until_the_next_opening_or_missed_after_its_grace() -> None:
    sending = Sending(BERLIN, DAY, DAYTIME)
    night, morning = _instant("2026-11-23T23:00+01:00"), _instant("2026-11-24T08:00+01:00")
    assert sending.held_back(night, morning + timedelta(seconds=1)) == morning
    assert sending.held_back(night, morning) is None


@given(
    st.sampled_from(ZONES),
    WALLS,
    st.sampled_from([DAYTIME, OFFICE, SendWindow((Span(WEEK, time(22), time(6)),))]),
    st.integers(0, 86_400),
    st.integers(0, 2**32 - 1),
    st.integers(1, 14 * 24),
)
@settings(max_examples=300)
def test_events_are_sent_inside_the_window_or_missed_in_every_zone(
    name: str, wall: datetime, window: SendWindow, spread: int, share: int, grace_hours: int
) -> None:
    at, there, grace = wall.replace(tzinfo=UTC), zone(name), timedelta(hours=grace_hours)
    sent = Sending(there, grace, window, timedelta(seconds=spread), share).at(at)
    if Applied.SEND_WINDOW_MISSED in sent.applied:
        opening = window.opening(at, there)
        assert sent.due == at
        assert opening is None or opening >= at + grace
    else:
        assert window.is_open(sent.due, there)
        assert at <= sent.planned <= sent.due < sent.planned + grace
        assert (sent.due > sent.planned) is (Applied.SEND_WINDOW in sent.applied)


# -- spreads ----------------------------------------------------------------------------------------------------------


def test_spread_is_even_and_the_same_every_time() -> None:
    people = [uuid5(NAMESPACE, str(number)) for number in range(60_000)]
    seconds = Counter(int(offset(share_of(each), timedelta(minutes=10)).total_seconds()) // 60 for each in people)
    assert sorted(seconds) == list(range(10))
    assert all(5_500 < count < 6_500 for count in seconds.values())
    assert [share_of(each) for each in people[:3]] == [share_of(each) for each in people[:3]]


@given(st.integers(0, 2**32 - 1), st.integers(0, 86_400))
def test_offset_is_whole_seconds_less_than_the_spread(share: int, seconds: int) -> None:
    later = offset(share, timedelta(seconds=seconds))
    assert later.microseconds == 0
    assert timedelta() <= later < timedelta(seconds=max(seconds, 1))


def test_spread_stays_inside_the_opening_of_the_window() -> None:
    sending = Sending(BERLIN, DAY, DAYTIME, timedelta(hours=1), 2**31)
    assert sending.at(_instant("2026-11-23T09:00+01:00")).due == _instant("2026-11-23T09:30+01:00")
    assert sending.at(_instant("2026-11-23T19:40+01:00")).due == _instant("2026-11-23T19:50+01:00")
    waits = sending.at(_instant("2026-11-23T03:00+01:00"))
    assert waits.due == _instant("2026-11-23T08:30+01:00")
    assert waits.planned == _instant("2026-11-23T03:30+01:00")
    assert waits.applied == (Applied.SEND_WINDOW, Applied.SPREAD)


# -- rules ------------------------------------------------------------------------------------------------------------


def test_hourly_rule_fires_once_when_its_window_opens() -> None:
    hourly = _adjusted(_rule("FREQ=HOURLY", "2026-11-23T00:00"), DAYTIME)
    assert _local(hourly, "2026-11-23T18:30+01:00", 4) == [
        "2026-11-23T19:00",
        "2026-11-24T08:00",
        "2026-11-24T09:00",
        "2026-11-24T10:00",
    ]
    at_eight = list(islice(upcoming(hourly, _instant("2026-11-23T19:30+01:00")), 1))
    assert [each.key for each in at_eight] == ["2026-11-24T08:00:00"]
    assert at_eight[0].coalesced == 12


def test_last_of_the_times_that_meet_at_an_opening_stands_for_all() -> None:
    half_past = _adjusted(_rule("FREQ=HOURLY", "2026-11-23T00:30"), DAYTIME)
    [found] = islice(upcoming(half_past, _instant("2026-11-23T20:00+01:00")), 1)
    assert (found.key, found.coalesced) == ("2026-11-24T07:30:00", 11)
    assert found.instant == _instant("2026-11-24T08:00+01:00")
    assert half_past.occurrence("2026-11-24T06:30:00") is None
    alone = half_past.occurrence("2026-11-24T07:30:00")
    assert alone is not None
    assert alone.instant == found.instant


def test_birthday_in_the_night_comes_when_the_window_opens() -> None:
    birthday = _adjusted(Yearly(11, 23, time(3), BERLIN), DAYTIME, grace=timedelta(hours=72))
    assert _local(birthday, "2026-11-23T07:00+01:00", 2) == ["2026-11-23T08:00", "2027-11-23T08:00"]


def test_rule_that_has_ended_has_no_more_than_its_last_waiting_time() -> None:
    once = _adjusted(Once(datetime.fromisoformat("2026-11-23T21:00"), BERLIN), DAYTIME)
    assert _local(once, "2026-11-23T22:00+01:00", 5) == ["2026-11-24T08:00"]
    assert _local(once, "2026-11-24T08:01+01:00", 5) == []


RULES = st.sampled_from(
    [
        ("FREQ=HOURLY", "2026-01-01T00:15"),
        ("FREQ=HOURLY;INTERVAL=5", "2026-01-01T03:00"),
        ("FREQ=DAILY", "2026-01-01T02:30"),
        ("FREQ=DAILY;BYHOUR=3,9,21", "2026-01-01T03:00"),
        ("FREQ=WEEKLY;BYDAY=SA,SU,MO", "2026-01-01T23:45"),
        ("FREQ=DAILY;COUNT=20", "2026-03-20T22:00"),
    ]
)


@given(
    RULES,
    st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe"]),
    st.sampled_from([DAYTIME, OFFICE, SendWindow((Span(WEEK, time(22), time(2, 15)),))]),
    st.integers(0, 7200),
    st.integers(0, 2**32 - 1),
    st.integers(1, 100),
    st.datetimes(*map(datetime.fromisoformat, ("2026-03-01", "2026-04-15"))),
)
@settings(max_examples=60, deadline=None)
def test_walk_from_anywhere_finds_what_a_walk_from_the_start_finds(
    rule: tuple[str, str], name: str, window: SendWindow, spread: int, share: int, grace_hours: int, since: datetime
) -> None:
    base = _rule(*rule, name=name)
    adjusted = _adjusted(
        base, window, grace=timedelta(hours=grace_hours), spread=timedelta(seconds=spread), share=share
    )
    earliest = since.replace(tzinfo=UTC, microsecond=0)
    # Independently: all times of the rule, each sent as it is alone, and of those that meet only the last.
    sent: dict[datetime, Occurrence] = {}
    for each in upcoming(base, earliest - timedelta(days=20)):
        if each.instant > earliest + timedelta(days=20):
            break
        sent[adjusted.sending.at(each.instant).due] = each
    expected = [(instant, sent[instant].key) for instant in sorted(sent) if instant >= earliest]
    count = min(5, len(expected))
    found = list(islice(upcoming(adjusted, earliest), count))
    assert [(each.instant, each.key) for each in found] == expected[:count]
    assert all(earlier.instant < later.instant for earlier, later in pairwise(found))
    assert all(earlier.key < later.key for earlier, later in pairwise(found))
    for each in found:
        alone = adjusted.occurrence(each.key)
        assert alone is not None
        assert alone.instant == each.instant


# -- business days ----------------------------------------------------------------------------------------------------

GERMANY = BusinessDays("DE", "BE", Adjust.NEXT)


@pytest.mark.parametrize(
    ("adjust", "expected"),
    [
        (Adjust.NEXT, ["2026-12-01T09:00", "2027-01-04T09:00", "2027-02-01T09:00", "2027-03-01T09:00"]),
        (Adjust.PREVIOUS, ["2026-12-01T09:00", "2026-12-31T09:00", "2027-02-01T09:00", "2027-03-01T09:00"]),
        (Adjust.SKIP, ["2026-12-01T09:00", "2027-02-01T09:00", "2027-03-01T09:00", "2027-04-01T09:00"]),
    ],
    ids=list(Adjust),
)
def test_first_of_the_month_is_kept_on_a_working_day(adjust: Adjust, expected: list[str]) -> None:
    monthly = _adjusted(_rule("FREQ=MONTHLY", "2026-11-01T09:00"), days=BusinessDays("DE", "BE", adjust))
    assert _local(monthly, "2026-11-20T00:00+01:00", 4) == expected


def test_moved_day_is_marked_and_keeps_its_identity() -> None:
    monthly = _adjusted(_rule("FREQ=MONTHLY", "2026-11-01T09:00"), days=GERMANY)
    found = monthly.occurrence("2027-01-01T09:00:00")
    assert found is not None
    assert found.instant == _instant("2027-01-04T09:00+01:00")
    assert found.policy == (Applied.NEXT_BUSINESS_DAY,)


def test_daily_rule_fires_once_on_the_day_after_a_weekend() -> None:
    daily = _adjusted(_rule("FREQ=DAILY", "2026-11-23T09:00"), days=GERMANY)
    assert _local(daily, "2026-11-27T00:00+01:00", 3) == ["2026-11-27T09:00", "2026-11-30T09:00", "2026-12-01T09:00"]


def test_weekend_is_that_of_the_country() -> None:
    friday = date(2026, 11, 27)
    assert not BusinessDays("SA").is_working(friday)
    assert BusinessDays("DE").is_working(friday)
    assert BusinessDays("SA").adjusted(friday) == date(2026, 11, 29)


def test_holiday_of_a_subdivision_counts_there_alone() -> None:
    epiphany = date(2027, 1, 6)
    assert BusinessDays("DE", "BY").adjusted(epiphany) == date(2027, 1, 7)
    assert BusinessDays("DE", "BE").adjusted(epiphany) == epiphany


@pytest.mark.parametrize("rrule", ["FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25", "FREQ=WEEKLY;BYDAY=SU"])
def test_rule_that_has_only_holidays_has_no_occurrence(rrule: str) -> None:
    skipped = _adjusted(_rule(rrule, "2026-12-20T09:00"), days=BusinessDays("DE", "BE", Adjust.SKIP))
    assert skipped.first_from(_instant("2026-12-20T09:00Z")) is None


def test_holiday_is_left_out_of_a_daily_rule() -> None:
    daily = _adjusted(_rule("FREQ=DAILY", "2026-11-23T09:00"), days=BusinessDays("DE", "BE", Adjust.SKIP))
    assert _local(daily, "2026-12-24T00:00+01:00", 2) == ["2026-12-24T09:00", "2026-12-28T09:00"]


def test_working_day_and_send_window_go_together() -> None:
    monthly = _adjusted(_rule("FREQ=MONTHLY", "2026-11-01T03:00"), DAYTIME, days=GERMANY)
    [found] = islice(upcoming(monthly, _instant("2026-12-20T00:00Z")), 1)
    assert found.instant == _instant("2027-01-04T08:00+01:00")
    assert found.planned == _instant("2027-01-04T03:00+01:00")
    assert found.policy == (Applied.NEXT_BUSINESS_DAY, Applied.SEND_WINDOW)


@pytest.mark.parametrize(
    ("country", "part", "field"),
    [
        ("XX", None, "businessDays.country"),
        ("de", None, "businessDays.country"),
        ("DE", "ZZ", "businessDays.subdivision"),
    ],
    ids=["unknown-country", "lower-case", "unknown-subdivision"],
)
def test_unknown_calendar_is_refused_by_field(country: str, part: str | None, field: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        BusinessDays(country, part).calendar.check()
    assert refused.value.field == field


def test_fingerprint_is_that_of_the_closed_days_of_forty_years() -> None:
    """Releases that are remembered were compared by this digest."""
    bavaria, berlin = Calendar("DE", "BY").days(), Calendar("DE", "BE").days()
    assert bavaria.fingerprint() != berlin.fingerprint()
    assert Days(berlin.closed).fingerprint() == berlin.fingerprint()
    first = date(2020, 1, 1)
    days = [first + timedelta(days=number) for number in range((date(2060, 12, 31) - first).days + 1)]
    closed = ",".join(day.isoformat() for day in days if not GERMANY.is_working(day))
    assert hashlib.sha256(closed.encode()).hexdigest() == berlin.fingerprint()


@pytest.mark.parametrize("country", ["DE", "SA", "NP"], ids=["two-days", "friday-and-saturday", "one-day"])
def test_kept_days_are_those_of_the_release_and_weekends_outside_of_its_years(country: str) -> None:
    calendar = Calendar(country)
    kept = calendar.days()
    for number in range(366):
        day = date(2024, 1, 1) + timedelta(days=number)
        assert kept.is_working(day) == calendar.is_working(day)
    later = (date(2061, 1, 3) + timedelta(days=each) for each in range(7))
    assert {day.weekday() for day in later if not kept.is_working(day)} == set(
        holidays.country_holidays(country).weekend
    )
    assert len(kept.closed) == 1872
