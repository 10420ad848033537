"""RRULEs: the examples of the RFC, what is refused and why, and that no rule can spin."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

import pytest

from chassis.core.zones import zone
from event_service.domain import rrule as rrule_module
from event_service.domain import wall_series as wall_series_module
from event_service.domain.errors import InvalidRuleError
from event_service.domain.local_time import Applied, GapPolicy, OverlapPolicy
from event_service.domain.recurrence import Policies, Recurring, upcoming
from event_service.domain.rrule import MOST_OCCURRENCES, wall_series

NEW_YORK = zone("America/New_York")
BERLIN = zone("Europe/Berlin")
ALL_DAYS = "SU,MO,TU,WE,TH,FR,SA"
WORKDAYS = "MO,TU,WE,TH,FR"
WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def _recurring(start: str, rrule: str, *exdates: str, at: str = "Europe/Berlin", **policies: str) -> Recurring:
    kept = Policies(GapPolicy(policies.get("gap", "shift_forward")), OverlapPolicy(policies.get("overlap", "first")))
    return Recurring(
        datetime.fromisoformat(start), rrule, frozenset(map(datetime.fromisoformat, exdates)), zone(at), kept
    )


def _walls(rule: Recurring, count: int, since: str = "1990-01-01T00:00Z") -> list[str]:
    found = islice(upcoming(rule, datetime.fromisoformat(since)), count)
    return [each.wall.isoformat(timespec="minutes") for each in found]


def _days(text: str) -> list[date]:
    """``1997 9: 2 4 | 10: 1`` is 2 and 4 September and 1 October 1997."""
    days, year, month = [], 0, 0
    for word in text.replace("|", " ").split():
        if len(word) == 4:
            year = int(word)
        elif word.endswith(":"):
            month = int(word[:-1])
        else:
            days.append(date(year, month, int(word)))
    return days


RFC_EXAMPLES = [
    ("19970902", "FREQ=DAILY;COUNT=10", "1997 9: 2 3 4 5 6 7 8 9 10 11", True),
    ("19970902", "FREQ=DAILY;INTERVAL=2", "1997 9: 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 | 10: 2 4", False),
    ("19970902", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 9: 2 12 22 | 10: 2 12", True),
    ("19970902", "FREQ=WEEKLY;COUNT=10", "1997 9: 2 9 16 23 30 | 10: 7 14 21 28 | 11: 4", True),
    ("19970902", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997 9: 2 16 30 | 10: 14 28 | 11: 11 25 | 12: 9 23", False),
    (
        "19970902",
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        "1997 9: 2 4 9 11 16 18 23 25 30 | 10: 2",
        True,
    ),
    (
        "19970901",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997 9: 1 3 5 15 17 19 29 | 10: 1 3 13 15 17 27 29 31 | 11: 10 12 14 24 26 28 | 12: 8 10 12 22",
        True,
    ),
    ("19970902", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997 9: 2 4 16 18 30 | 10: 2 14 16", True),
    (
        "19970905",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997 9: 5 | 10: 3 | 11: 7 | 12: 5 | 1998 1: 2 | 2: 6 | 3: 6 | 4: 3 | 5: 1 | 6: 5",
        True,
    ),
    (
        "19970907",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997 9: 7 28 | 11: 2 30 | 1998 1: 4 25 | 3: 1 29 | 5: 3 31",
        True,
    ),
    ("19970922", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997 9: 22 | 10: 20 | 11: 17 | 12: 22 | 1998 1: 19 | 2: 16", True),
    ("19970928", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997 9: 28 | 10: 29 | 11: 28 | 12: 29 | 1998 1: 29 | 2: 26", False),
    (
        "19970902",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997 9: 2 15 | 10: 2 15 | 11: 2 15 | 12: 2 15 | 1998 1: 2 15",
        True,
    ),
    (
        "19970930",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997 9: 30 | 10: 1 31 | 11: 1 30 | 12: 1 31 | 1998 1: 1 31 | 2: 1",
        True,
    ),
    (
        "19970910",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997 9: 10 11 12 13 14 15 | 1999 3: 10 11 12 13",
        True,
    ),
    ("19970902", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997 9: 2 9 16 23 30 | 11: 4 11 18 25 | 1998 1: 6 13", False),
    (
        "19970610",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997 6: 10 | 7: 10 | 1998 6: 10 | 7: 10 | 1999 6: 10 | 7: 10 | 2000 6: 10 | 7: 10 | 2001 6: 10 | 7: 10",
        True,
    ),
    (
        "19970310",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997 3: 10 | 1999 1: 10 | 2: 10 | 3: 10 | 2001 1: 10 | 2: 10 | 3: 10 | 2003 1: 10 | 2: 10 | 3: 10",
        True,
    ),
    (
        "19970101",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997 1: 1 | 4: 10 | 7: 19 | 2000 1: 1 | 4: 9 | 7: 18 | 2003 1: 1 | 4: 10 | 7: 19 | 2006 1: 1",
        True,
    ),
    ("19970519", "FREQ=YEARLY;BYDAY=20MO", "1997 5: 19 | 1998 5: 18 | 1999 5: 17", False),
    ("19970512", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997 5: 12 | 1998 5: 11 | 1999 5: 17", False),
    ("19970313", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997 3: 13 20 27 | 1998 3: 5 12 19 26 | 1999 3: 4 11", False),
    (
        "19970605",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997 6: 5 12 19 26 | 7: 3 10 17 24 31 | 8: 7 14 21 28 | 1998 6: 4 11",
        False,
    ),
    (
        "19970913",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997 9: 13 | 10: 11 | 11: 8 | 12: 13 | 1998 1: 10 | 2: 7 | 3: 7",
        False,
    ),
    (
        "19961105",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996 11: 5 | 2000 11: 7 | 2004 11: 2",
        False,
    ),
    ("19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997 9: 4 | 10: 7 | 11: 6", True),
    (
        "19970929",
        f"FREQ=MONTHLY;BYDAY={WORKDAYS};BYSETPOS=-2",
        "1997 9: 29 | 10: 30 | 11: 27 | 12: 30 | 1998 1: 29 | 2: 26 | 3: 30",
        False,
    ),
    ("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997 8: 5 10 19 24", True),
    ("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997 8: 5 17 19 31", True),
    ("20070115", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007 1: 15 30 | 2: 15 | 3: 15 30", True),
]
"""DTSTART at 09:00 in New York, rule, days, and whether those are all."""


@pytest.mark.parametrize(("start", "rrule", "days", "ends"), RFC_EXAMPLES, ids=[rrule for _, rrule, *_ in RFC_EXAMPLES])
def test_the_examples_of_the_rfc_come_out_as_it_lists_them(start: str, rrule: str, days: str, ends: bool) -> None:
    rule = Recurring(datetime.fromisoformat(start + "T090000"), rrule, frozenset(), NEW_YORK)
    expected = _days(days)
    found = list(islice(upcoming(rule, datetime(1990, 1, 1, tzinfo=UTC)), len(expected) + 1))
    assert [each.wall for each in found[: len(expected)]] == [datetime.combine(day, time(9)) for day in expected]
    assert (len(found) == len(expected)) is ends
    assert [each.instant.astimezone(NEW_YORK).replace(tzinfo=None) for each in found] == [each.wall for each in found]


def test_every_day_in_january_can_be_written_in_two_ways() -> None:
    yearly = f"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY={ALL_DAYS}"
    daily = "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1"
    found = [_walls(_recurring("1998-01-01T09:00", each, at="America/New_York"), 200) for each in (yearly, daily)]
    assert found[0] == found[1]
    assert (len(found[0]), found[0][-1]) == (93, "2000-01-31T09:00")


def test_the_start_is_the_first_occurrence_though_the_rule_would_not_find_it() -> None:
    """As the RFC's example of every Friday the 13th has it, which excepts its own DTSTART."""
    rrule = "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"
    fridays = ["1998-02-13T09:00", "1998-03-13T09:00", "1998-11-13T09:00", "1999-08-13T09:00", "2000-10-13T09:00"]
    assert _walls(_recurring("1997-09-02T09:00", rrule), 6) == ["1997-09-02T09:00", *fridays]
    assert _walls(_recurring("1997-09-02T09:00", rrule, "1997-09-02T09:00"), 5) == fridays
    assert _walls(_recurring("1997-09-02T09:00", f"{rrule};COUNT=2"), 6) == ["1997-09-02T09:00", fridays[0]]


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261126T090000", "2026-11-26T09:00"),
        ("20261126T085959", "2026-11-25T09:00"),
        ("20261126T080000Z", "2026-11-26T09:00"),
        ("20261126T075959Z", "2026-11-25T09:00"),
        ("20261126", "2026-11-26T09:00"),
    ],
)
def test_until_is_a_local_time_an_instant_or_a_whole_day_and_includes_itself(until: str, last: str) -> None:
    rule = _recurring("2026-11-24T09:00", f"FREQ=DAILY;UNTIL={until}")
    assert _walls(rule, 9)[-1] == last
    assert rule.occurrence("2026-11-27T09:00:00") is None


def test_an_until_beyond_the_calendar_of_rules_is_as_good_as_none() -> None:
    assert len(_walls(_recurring("2026-11-24T09:00", "FREQ=DAILY;UNTIL=99991231T235959Z"), 400)) == 400


def test_exceptions_are_left_out_and_still_counted() -> None:
    rule = _recurring("2026-11-24T09:00", "FREQ=DAILY;COUNT=4", "2026-11-25T09:00", "2026-11-26T08:00")
    assert _walls(rule, 9) == ["2026-11-24T09:00", "2026-11-26T09:00", "2026-11-27T09:00"]
    assert rule.occurrence("2026-11-25T09:00:00") is None


def test_a_yearly_rule_on_a_leap_day_skips_common_years_as_the_rfc_has_it() -> None:
    rule = _recurring("2028-02-29T09:00", "FREQ=YEARLY")
    assert _walls(rule, 3) == ["2028-02-29T09:00", "2032-02-29T09:00", "2036-02-29T09:00"]
    every_year = _recurring("2028-02-29T09:00", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1")
    assert _walls(every_year, 3) == ["2028-02-29T09:00", "2029-02-28T09:00", "2030-02-28T09:00"]


def test_plain_and_counted_weekdays_are_a_choice() -> None:
    rule = _recurring("2026-11-02T09:00", "FREQ=MONTHLY;BYDAY=MO,1TU,-1FR")
    assert [wall[8:10] for wall in _walls(rule, 7)] == ["02", "03", "09", "16", "23", "27", "30"]


def test_an_hourly_rule_fires_once_at_an_instant_in_a_gap_and_once_an_hour_of_the_clock_in_an_overlap() -> None:
    spring = _recurring("2026-03-29T00:30", "FREQ=HOURLY")
    assert _walls(spring, 3, "2026-03-28T20:00Z") == ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T03:30"]
    assert spring.occurrence("2026-03-29T02:30:00") is None
    for overlap, hour in (("first", 0), ("second", 1)):
        autumn = _recurring("2026-10-25T01:30", "FREQ=HOURLY", overlap=overlap)
        found = list(islice(upcoming(autumn, datetime(2026, 10, 24, tzinfo=UTC)), 3))
        assert [each.wall.hour for each in found] == [1, 2, 3]
        assert found[1].instant == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        assert found[1].policy == (Applied(f"OVERLAP_{overlap.upper()}"),)


def test_a_time_in_a_gap_that_shifts_to_no_other_occurrence_is_kept_or_skipped() -> None:
    for gap, walls in (("shift_forward", ["28", "29", "30"]), ("skip", ["28", "30", "31"])):
        rule = _recurring("2026-03-28T02:30", "FREQ=DAILY", gap=gap)
        assert [wall[8:10] for wall in _walls(rule, 3)] == walls
    shifted = _recurring("2026-03-28T02:30", "FREQ=DAILY").occurrence("2026-03-29T02:30:00")
    assert shifted is not None
    assert (shifted.instant, shifted.policy) == (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), (Applied.GAP_SHIFTED,))


def test_a_day_that_a_zone_left_out_is_not_made_up_for_by_a_daily_rule() -> None:
    rule = _recurring("2011-12-29T09:00", "FREQ=DAILY", at="Pacific/Apia")
    assert _walls(rule, 3) == ["2011-12-29T09:00", "2011-12-31T09:00", "2012-01-01T09:00"]
    weekly = _recurring("2011-12-23T09:00", "FREQ=WEEKLY", at="Pacific/Apia")
    found = list(islice(upcoming(weekly, datetime(2011, 12, 24, tzinfo=UTC)), 2))
    assert [each.instant.isoformat() for each in found] == ["2011-12-30T19:00:00+00:00", "2012-01-05T19:00:00+00:00"]


def test_an_occurrence_is_found_by_its_key_and_by_no_other() -> None:
    rule = _recurring("2026-11-23T09:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=3")
    for found in upcoming(rule, datetime(2026, 1, 1, tzinfo=UTC)):
        assert rule.occurrence(found.key) == found
    for other in ("2026-11-24T09:00:00", "2026-11-23T10:00:00", "2026-11-16T09:00:00", "2026-12-14T09:00:00", "2026"):
        assert rule.occurrence(other) is None


# -- refusals ---------------------------------------------------------------------------------------------------------

REFUSALS = [
    ("", "is not a part"),
    ("WEEKLY", "'WEEKLY' is not a part"),
    ("FREQ=WEEKLY;", "is not a part"),
    ("FREQ=WEEKLY;BYDAY=", "'BYDAY=' is not a part"),
    ("FREQ=WEEKLY\nDTSTART:20260101", "FREQ=WEEKLY"),
    ("BYDAY=MO", "FREQ is missing"),
    ("FREQ=FORTNIGHTLY", "FREQ=FORTNIGHTLY: one of YEARLY"),
    ("FREQ=SECONDLY", "FREQ=SECONDLY: a rule comes at most once an hour"),
    ("FREQ=MINUTELY;INTERVAL=120", "FREQ=MINUTELY: a rule comes at most once an hour"),
    ("FREQ=HOURLY;BYMINUTE=0,30", "BYMINUTE=0,30: a rule comes at most once an hour"),
    ("FREQ=DAILY;BYHOUR=9;BYSECOND=0,1", "BYSECOND=0,1: a rule comes at most once an hour"),
    ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is given twice"),
    ("FREQ=DAILY;BYEASTER=0", "BYEASTER is not supported"),
    ("FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=FORWARD", "RSCALE is not supported"),
    ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0: a number from 1"),
    ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1: a number from 1"),
    ("FREQ=DAILY;INTERVAL=two", "INTERVAL=TWO: a number from 1"),
    ("FREQ=DAILY;COUNT=0", "COUNT=0: a number from 1 to 10000"),
    ("FREQ=DAILY;COUNT=10001", "COUNT=10001: a number from 1 to 10000"),
    ("FREQ=DAILY;COUNT=99999999999999999999", "COUNT=99999999999999999999: a number from 1 to 10000"),
    ("FREQ=DAILY;COUNT=3;UNTIL=20271231", "COUNT and UNTIL exclude each other"),
    ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW: a local time like"),
    ("FREQ=DAILY;UNTIL=20261341T000000Z", "UNTIL=20261341T000000Z: a local time like"),
    ("FREQ=DAILY;UNTIL=20261123T235959", "UNTIL=20261123T235959 is before the rule's start"),
    ("FREQ=DAILY;UNTIL=20251231", "UNTIL=20251231 is before the rule's start"),
    ("FREQ=YEARLY;BYMONTH=13", "BYMONTH=13: 13 is not 1 to 12"),
    ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH=-1: -1 is not 1 to 12"),
    ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=32: 32 is not 1 to 31 or -31 to -1"),
    ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0: 0 is not 1 to 31"),
    ("FREQ=MONTHLY;BYMONTHDAY=1,,2", "BYMONTHDAY=1,,2: '' is not a number"),
    ("FREQ=MONTHLY;BYMONTHDAY=١", "BYMONTHDAY=١: '١' is not a number"),
    ("FREQ=DAILY;BYHOUR=24", "BYHOUR=24: 24 is not 0 to 23"),
    ("FREQ=DAILY;BYSECOND=60", "BYSECOND=60: 60 is not 0 to 59"),
    ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY=367: 367 is not 1 to 366"),
    ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO=54: 54 is not 1 to 53"),
    ("FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO", "BYSETPOS=0: 0 is not 1 to 366"),
    ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX: 'XX' is not a weekday"),
    ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY=1MO: 1MO is counted in a month or a year only"),
    ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY=1MO: 1MO is counted in a month or a year only"),
    ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY=6MO: 6MO counts from 1 to 5"),
    ("FREQ=YEARLY;BYDAY=54MO", "BYDAY=54MO: 54MO counts from 1 to 53"),
    ("FREQ=YEARLY;BYMONTH=12;BYDAY=53MO", "BYDAY=53MO: 53MO counts from 1 to 5"),
    ("FREQ=WEEKLY;WKST=1", "WKST=1: one of MO"),
    ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with FREQ=WEEKLY"),
    ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY does not go with FREQ=MONTHLY"),
    ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO does not go with FREQ=MONTHLY"),
    ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS chooses among what another BY part allows"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "BYMONTHDAY=30: no month of the rule has such a day"),
    ("FREQ=DAILY;BYMONTH=4,6;BYMONTHDAY=31,-31", "BYMONTHDAY=-31,31: no month of the rule has such a day"),
    ("FREQ=DAILY;BYHOUR=9;BYSETPOS=2", "BYSETPOS=2: there are at most 1 to choose among"),
    ("FREQ=HOURLY;BYHOUR=9;BYSETPOS=-2", "BYSETPOS=-2: there are at most 1 to choose among"),
    ("FREQ=YEARLY;BYYEARDAY=1;BYMONTH=2", "no date fits all its parts"),
    ("FREQ=WEEKLY;" + "BYDAY=" + ",".join(["MO"] * 200), "an RRULE has at most 500 characters"),
]


@pytest.mark.parametrize(("rrule", "reason"), REFUSALS, ids=[repr(rrule[:40]) for rrule, _ in REFUSALS])
def test_unsupported_rule_is_refused_with_its_part_and_the_reason(rrule: str, reason: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        _recurring("2026-11-24T09:00", rrule)
    assert reason in str(refused.value)
    assert refused.value.field == "rrule"


@pytest.mark.parametrize(
    ("start", "exdates", "field", "reason"),
    [
        ("2026-11-24T09:00:00.5", [], "start", "has fractions of a second"),
        ("2026-11-24T09:00+01:00", [], "start", "is not a local time: it has an offset"),
        ("1899-12-31T09:00", [], "start", "is not between the years 1900 and 2199"),
        ("2026-11-24T09:00", ["2026-11-24T09:00", "2026-11-25T09:00"], "exdates", "leave nothing of the rule"),
    ],
)
def test_a_start_that_is_no_wall_time_and_exceptions_that_leave_nothing_are_refused(
    start: str, exdates: list[str], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        _recurring(start, "FREQ=DAILY;COUNT=2", *exdates)
    assert reason in str(refused.value)
    assert refused.value.field == field


def test_too_many_exceptions_are_refused() -> None:
    start = datetime.fromisoformat("2026-11-24T09:00")
    exdates = frozenset(start + timedelta(days=each) for each in range(1001))
    with pytest.raises(InvalidRuleError, match="at most 1000 exceptions, not 1001"):
        Recurring(start, "FREQ=DAILY", exdates, BERLIN)


# -- bounds -----------------------------------------------------------------------------------------------------------

SPINNERS = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;INTERVAL=100000",
    "FREQ=YEARLY;INTERVAL=1000000;BYMONTH=5",
    "FREQ=MONTHLY;INTERVAL=100000",
    "FREQ=WEEKLY;INTERVAL=100000",
    "FREQ=DAILY;INTERVAL=100000",
    "FREQ=HOURLY;INTERVAL=100000",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=10",
    "FREQ=HOURLY;BYSETPOS=2;BYMINUTE=0",
    "FREQ=DAILY;BYSETPOS=2;BYHOUR=9",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=YEARLY;BYDAY=MO;BYSETPOS=366",
    "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=366",
    "FREQ=YEARLY;BYWEEKNO=30;BYMONTH=1",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTH=12",
    "FREQ=DAILY;INTERVAL=997;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=WEEKLY;INTERVAL=997;COUNT=10000;BYDAY=MO;BYMONTH=2",
    "FREQ=YEARLY;COUNT=10000",
    "FREQ=HOURLY;COUNT=10000",
    "FREQ=HOURLY;UNTIL=21991231T235959Z",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU;COUNT=10000",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=3",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=30",
    "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20",
    "FREQ=HOURLY;INTERVAL=2;BYHOUR=8",
    "FREQ=HOURLY;INTERVAL=25;BYHOUR=3;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=HOURLY;INTERVAL=999999",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR,SA;BYMONTHDAY=-31,-30,1,2,3,4,5;INTERVAL=999999",
]
MOST_STEPS = 100_000
"""What takes about 20 ms of one core."""


def _steps(work: Callable[[], object]) -> int:
    """How many functions ``work`` calls: what it costs, without a clock."""
    steps = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return steps


@pytest.mark.parametrize("rrule", SPINNERS)
def test_no_rule_can_spin_neither_when_it_is_given_nor_when_its_next_time_is_asked_for(rrule: str) -> None:
    start = datetime.fromisoformat("1900-11-24T09:00")
    policies = Policies(gap=GapPolicy.SKIP)

    def refused_or_searched() -> None:
        for cache in (rrule_module._read, wall_series_module._days_in_shape, wall_series_module.days_of):
            cache.cache_clear()
        try:
            rule = Recurring(start, rrule, frozenset(), BERLIN, policies)
        except InvalidRuleError:
            return
        rule.first_from(datetime(2026, 11, 24, tzinfo=UTC))
        rule.first_from(datetime(2026, 11, 24, tzinfo=UTC), after="2027-11-24T09:00:00")
        rule.occurrence("2026-11-24T09:00:00")

    assert _steps(refused_or_searched) <= MOST_STEPS


def test_a_refusal_is_not_searched_for_twice() -> None:
    start, text = datetime.fromisoformat("2026-01-05T09:00"), "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20"

    def refused() -> None:
        with pytest.raises(InvalidRuleError, match="no date fits") as caught:
            wall_series(start, text)
        assert caught.value.field == "rrule"

    refused()
    assert _steps(refused) < 100


@pytest.mark.parametrize("week_start", ["MO", "SU", "WE"])
@pytest.mark.parametrize("interval", [1, 2, 5])
def test_weeks_are_numbered_in_week_years_whose_days_may_lie_in_two_calendar_years(
    week_start: str, interval: int
) -> None:
    """RFC 5545: week 1 is the first with at least four days in its year; a week belongs to one year whole."""
    start, shift = datetime.fromisoformat("2024-07-01T09:00"), (7 - WEEK.index(week_start)) % 7
    series = wall_series(start, f"FREQ=YEARLY;INTERVAL={interval};BYWEEKNO=1,20,-1;BYDAY={ALL_DAYS};WKST={week_start}")
    expected = []
    for day in (start.date() + timedelta(days=number) for number in range(1, 366 * 30)):
        # isocalendar counts from Mondays, by the Thursday of the week; shifted, by its fourth day.
        first = day - timedelta(days=(day.weekday() + shift) % 7)
        year = (first + timedelta(days=3)).year
        fourth = date(year, 1, 4)
        number = (first - (fourth - timedelta(days=(fourth.weekday() + shift) % 7))).days // 7 + 1
        last = (first + timedelta(days=7) + timedelta(days=3)).year != year
        if (year - 2024) % interval == 0 and (number in (1, 20) or last):
            expected.append(day)
    found = islice(series.walls_from(start + timedelta(days=1)), len(expected))
    assert [wall.date() for wall in found] == expected


def test_the_last_week_of_every_fifth_week_year_holds_its_saturday_in_january() -> None:
    rule = _recurring("2032-12-27T09:00", "FREQ=YEARLY;INTERVAL=5;BYWEEKNO=-1;BYDAY=MO,SA", at="UTC")
    assert [wall[:10] for wall in _walls(rule, 4)] == ["2032-12-27", "2033-01-01", "2037-12-28", "2038-01-02"]


@pytest.mark.parametrize("interval", [1, 2, 5, 6, 7, 23, 24, 25, 48, 100, 1000])
@pytest.mark.parametrize("parts", ["", ";BYHOUR=0,9,13", ";BYMONTH=2;BYMONTHDAY=29", ";BYDAY=TH;BYHOUR=9"])
def test_an_hourly_rule_finds_each_hour_that_a_plain_count_finds(interval: int, parts: str) -> None:
    start = datetime.fromisoformat("2024-02-29T09:30")
    series = wall_series(start, f"FREQ=HOURLY;INTERVAL={interval}{parts}")
    hours = (start + timedelta(hours=number * interval) for number in range(50_000 // interval))
    expected = [
        hour
        for hour in hours
        if (
            ("BYHOUR" not in parts or f"{hour.hour}" in parts.split("BYHOUR=")[1].split(","))
            and ("BYMONTH" not in parts or (hour.month, hour.day) == (2, 29))
            and ("BYDAY" not in parts or hour.weekday() == 3)
        )
        or hour == start
    ]
    assert list(islice(series.walls_from(start), len(expected))) == expected


@pytest.mark.parametrize(
    "rrule", ["FREQ=HOURLY", "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY", "FREQ=YEARLY"]
)
def test_the_next_time_costs_the_same_however_long_ago_the_rule_began(rrule: str) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    costs = []
    for start in ("1900-01-01T09:00", "2026-01-01T09:00"):
        rule = _recurring(start, rrule)
        rule.first_from(now)
        costs.append(_steps(lambda rule=rule: rule.first_from(now)))  # type: ignore[misc]
    assert costs[0] <= costs[1] + 100
    assert max(costs) <= 2_000


def test_a_rule_that_is_always_in_a_gap_has_no_next_time() -> None:
    rule = _recurring("2026-03-29T02:30", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", gap="skip")
    assert rule.first_from(datetime(2026, 1, 1, tzinfo=UTC)) is None
    shifted = _recurring("2026-03-29T02:30", "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")
    assert len(_walls(shifted, 5)) == 5


def test_the_largest_count_ends_where_it_should() -> None:
    start = datetime.fromisoformat("2026-11-24T09:00")
    series = wall_series(start, f"FREQ=HOURLY;COUNT={MOST_OCCURRENCES}")
    assert series.last == start + timedelta(hours=MOST_OCCURRENCES - 1)
