"""Every zone, through every clock change from 1970 to 2037: our rules and a library that we did not write agree.

At least 200,000 (zone, date, time) triples are compared around the changes, and 160,000 on days that bite. No
difference is known, so none is allowed.
"""

import calendar
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise

import pytest
from second_opinion import ZONES, Transition, second_opinion, transitions

from chassis.core.zones import zone
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.recurrence import Policies, Recurring, Yearly, upcoming

FIRST_YEAR, LAST_YEAR = 1970, 2037
SLICES = 8
TRIPLES_A_SLICE = 25_000
CALENDAR_DAYS = ((1, 1), (2, 28), (2, 29), (12, 31))
LEAST_POLICIES = (GapPolicy.SHIFT_FORWARD, OverlapPolicy.FIRST)
MOST_POLICIES = (GapPolicy.SKIP, OverlapPolicy.SECOND)
SECOND = timedelta(seconds=1)

slices = pytest.mark.parametrize("part", range(SLICES))


def _zones(part: int) -> tuple[str, ...]:
    return ZONES[part::SLICES]


def _changes(part: int) -> Iterator[Transition]:
    for name in _zones(part):
        yield from transitions(name, FIRST_YEAR, LAST_YEAR)


def _walls_around(change: Transition) -> Iterator[datetime]:
    low, high = change.edges
    yield from (low - SECOND, low, low + (high - low) / 2, high - SECOND, high, high + SECOND)
    for day in {low.date(), high.date()}:
        for at in (time(0), time(9), time(23, 59, 59)):
            yield datetime.combine(day, at)


def _disagreements(name: str, wall: datetime) -> Iterator[str]:
    """Where a yearly rule of that day and time is not what the other library says."""
    opinions = second_opinion(wall, name)
    if len(set(opinions.values())) == 1:  # an ordinary time: the policies that would do most to it are enough
        opinions = {LEAST_POLICIES: opinions[LEAST_POLICIES], MOST_POLICIES: opinions[MOST_POLICIES]}
    for (gap, overlap), expected in opinions.items():
        rule = Yearly(wall.month, wall.day, wall.time(), zone(name), Policies(gap, overlap))
        found = rule.occurrence(str(wall.year))
        seen = None if found is None else (found.wall, found.instant, found.policy)
        applied = () if expected is None or expected.applied is None else (expected.applied,)
        if seen != (None if expected is None else (wall, expected.instant, applied)):
            yield f"{name} {wall} {gap} {overlap}: {found} instead of {expected}"


@slices
def test_around_every_clock_change_two_libraries_agree_under_all_policies(part: int) -> None:
    triples = {(change.zone, wall) for change in _changes(part) for wall in _walls_around(change)}
    assert len(triples) >= TRIPLES_A_SLICE
    assert SLICES * TRIPLES_A_SLICE == 200_000
    assert [difference for name, wall in triples for difference in _disagreements(name, wall)] == []


@slices
def test_at_the_ends_of_months_and_years_two_libraries_agree_and_leap_days_keep_to_their_policy(part: int) -> None:
    times = random.Random(part)
    compared = 0
    for name in _zones(part):
        for month, day in CALENDAR_DAYS:
            at = time(times.randrange(24), times.randrange(60), times.randrange(60))
            leap_day = times.choice(list(LeapDayPolicy))
            rule = Yearly(month, day, at, zone(name), Policies(leap_day=leap_day))
            for year in range(FIRST_YEAR, LAST_YEAR + 1):
                compared += 1
                found = rule.occurrence(str(year))
                kept_on = _kept_on(year, month, day, leap_day)
                if kept_on is None:
                    assert found is None
                    continue
                expected = second_opinion(datetime.combine(kept_on, at), name)[
                    GapPolicy.SHIFT_FORWARD, OverlapPolicy.FIRST
                ]
                assert found is not None
                assert expected is not None
                assert (found.instant, found.wall) == (expected.instant, datetime.combine(kept_on, at))
    assert compared * SLICES >= 160_000


def _kept_on(year: int, month: int, day: int, leap_day: LeapDayPolicy) -> date | None:
    if (month, day) != (2, 29) or calendar.isleap(year):
        return date(year, month, day)
    return {
        LeapDayPolicy.BACKWARD: date(year, 2, 28),
        LeapDayPolicy.FORWARD: date(year, 3, 1),
        LeapDayPolicy.OMIT: None,
    }[leap_day]


@slices
def test_through_every_clock_change_hourly_and_daily_rules_move_on_and_fire_once_at_an_instant(part: int) -> None:
    # Zones that change alike on the same day are gone through once.
    for change in {(change.before, change.after): change for change in _changes(part)}.values():
        low, _ = change.edges
        at = low + timedelta(minutes=20)
        for rrule, before, policies in (
            ("FREQ=HOURLY", timedelta(hours=3), Policies()),
            ("FREQ=HOURLY", timedelta(hours=3), Policies(overlap=OverlapPolicy.SECOND)),
            ("FREQ=DAILY", timedelta(days=2), Policies()),
        ):
            rule = Recurring(at - before, rrule, frozenset(), zone(change.zone), policies)
            begin = (at - before - timedelta(days=1)).replace(tzinfo=UTC)
            found = [each.instant for each in islice(upcoming(rule, begin), 6)]
            assert len(found) == 6
            assert all(earlier < later for earlier, later in pairwise(found)), (change, rrule, found)


def test_the_changes_that_are_gone_through_are_all_there_are() -> None:
    whole_days = {
        (change.zone, change.before.date().isoformat())
        for name in ZONES
        for change in transitions(name, FIRST_YEAR, LAST_YEAR)
        if change.after - change.before == timedelta(days=1)
    }
    assert whole_days == {
        ("Kwajalein", "1993-08-21"),
        ("Pacific/Apia", "2011-12-30"),
        ("Pacific/Enderbury", "1994-12-31"),
        ("Pacific/Fakaofo", "2011-12-30"),
        ("Pacific/Kanton", "1994-12-31"),
        ("Pacific/Kiritimati", "1994-12-31"),
        ("Pacific/Kwajalein", "1993-08-21"),
    }
    assert len(list(transitions("Europe/Berlin", 1980, LAST_YEAR))) == 2 * 58
    assert sum(1 for name in ZONES for _ in transitions(name, FIRST_YEAR, LAST_YEAR)) >= 25_000


@pytest.mark.parametrize("name", ZONES[::59])
def test_between_the_changes_no_offset_changes(name: str) -> None:
    """Each day from 1970 to 2037, seen from the standard library: transitions that are not listed do not exist."""
    changes = [change.after.date() for change in transitions(name, FIRST_YEAR, LAST_YEAR)]
    days = {day + timedelta(days=off) for day in changes for off in (-1, 0, 1)}
    noon = datetime(FIRST_YEAR, 1, 3, 12)  # noqa: DTZ001  # a wall time
    while noon.year <= LAST_YEAR:
        following = noon + timedelta(days=1)
        if following.date() not in days:
            offsets = {each.replace(tzinfo=zone(name)).utcoffset() for each in (noon, following)}
            assert len(offsets) == 1, (name, noon)
        noon = following
