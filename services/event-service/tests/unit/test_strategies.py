"""What each type of event makes of a user, and which of the type's rules a schedule keeps."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from contracts.identity import derive_id
from contracts.vocabulary import EventType, Priority
from event_service.domain.errors import InvalidRuleError
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.occurrences import message_of, rule_of
from event_service.domain.patterns import (
    Kind,
    OncePattern,
    PatternParts,
    RecurringPattern,
    YearlyPattern,
    moved_key,
    parts_of,
    pattern_of,
)
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Policies
from event_service.domain.schedules import Schedule, Source
from event_service.domain.strategies import STRATEGIES, number_of
from event_service.domain.type_rules import Rulebook, TypeRules

WEDDING = {"anniversaryId": str(uuid7()), "label": "Wedding", "date": "2015-06-30", "important": True}
JOB = {"anniversaryId": str(uuid7()), "label": "First day at work", "date": "2020-02-29", "important": False}
ADA = Recipient(
    user_id=uuid7(),
    version=1,
    first_name="Ada",
    last_name="Lovelace",
    date_of_birth=date(1990, 11, 23),
    timezone="Europe/London",
    delivery_time=time(9),
    anniversaries=(WEDDING, JOB),
)
RULES: Rulebook = {type: TypeRules(timedelta(hours=24), "{full_name}") for type in EventType}


def _derived(type: EventType) -> list[Schedule]:
    return list(STRATEGIES[type].derive(ADA))


def test_every_type_has_its_strategy() -> None:
    assert list(STRATEGIES) == list(EventType)
    assert all(strategy.event_type == type for type, strategy in STRATEGIES.items())


def test_a_birthday_follows_from_the_date_of_birth() -> None:
    [birthday] = _derived(EventType.BIRTHDAY)
    assert birthday.id == derive_id(ADA.user_id, "BIRTHDAY")
    assert birthday.pattern == YearlyPattern(11, 23, time(9), since=1990, first=1990)
    assert (birthday.priority, birthday.source, birthday.follows_user) == (Priority.CRITICAL, Source.USER, True)


def test_each_anniversary_is_a_schedule_with_its_label_and_the_important_ones_are_critical() -> None:
    wedding, job = _derived(EventType.ANNIVERSARY)
    assert wedding.id == derive_id(ADA.user_id, f"ANNIVERSARY/{WEDDING['anniversaryId']}")
    assert wedding.pattern == YearlyPattern(6, 30, time(9), since=2015, first=2016)
    assert [(each.label, each.priority) for each in (wedding, job)] == [
        ("Wedding", Priority.CRITICAL),
        ("First day at work", Priority.HIGH),
    ]


def test_reminders_and_notifications_follow_from_no_user() -> None:
    assert _derived(EventType.REMINDER) == _derived(EventType.NOTIFICATION) == []


def test_numbers_are_in_the_messages_of_birthdays_and_anniversaries() -> None:
    [birthday], [wedding, _] = _derived(EventType.BIRTHDAY), _derived(EventType.ANNIVERSARY)
    said: Rulebook = {
        EventType.BIRTHDAY: TypeRules(timedelta(hours=1), "{first_name}, your {ordinal} birthday: {occurrence_number}"),
        EventType.ANNIVERSARY: TypeRules(timedelta(hours=1), "{full_name}: {ordinal} {label}"),
    }
    assert message_of(said, birthday, "2020", ADA) == "Ada, your 30th birthday: 30"
    assert message_of(said, wedding, "2026", ADA) == "Ada Lovelace: 11th Wedding"
    assert message_of(said, replace(wedding, message="Own {label}"), "2026", ADA) == "Own Wedding"


def test_occurrences_of_other_rules_have_no_number() -> None:
    once = replace(_derived(EventType.BIRTHDAY)[0], pattern=OncePattern(datetime.fromisoformat("2026-01-01T09:00")))
    with pytest.raises(TypeError, match="not yearly"):
        number_of(once, "2026-01-01T09:00:00")


def test_a_schedules_own_policies_win_over_its_types() -> None:
    [birthday] = _derived(EventType.BIRTHDAY)
    type = TypeRules(
        timedelta(hours=72),
        "",
        expiry=timedelta(hours=96),
        policies=Policies(GapPolicy.SKIP, OverlapPolicy.SECOND, LeapDayPolicy.OMIT),
    )
    assert type.policies_of(birthday) == type.policies
    assert (type.grace_of(birthday), type.expiry_of(birthday)) == (timedelta(hours=72), timedelta(hours=96))
    own = replace(birthday, gap=GapPolicy.SHIFT_FORWARD, overlap=OverlapPolicy.FIRST, leap_day=LeapDayPolicy.FORWARD)
    assert type.policies_of(own) == Policies(GapPolicy.SHIFT_FORWARD, OverlapPolicy.FIRST, LeapDayPolicy.FORWARD)


@pytest.mark.parametrize(
    ("grace", "expiry", "expected"), [(1, None, 96), (100, None, 100), (1, 2, 2), (None, 80, 80), (100, 50, 100)]
)
def test_nothing_expires_before_its_grace_ends(grace: int | None, expiry: int | None, expected: int) -> None:
    type = TypeRules(timedelta(hours=72), "", expiry=timedelta(hours=96))
    schedule = replace(
        _derived(EventType.BIRTHDAY)[0],
        grace=timedelta(hours=grace) if grace else None,
        expiry=timedelta(hours=expiry) if expiry else None,
    )
    assert type.expiry_of(schedule) == timedelta(hours=expected)


# -- patterns ---------------------------------------------------------------------------------------------------------

NINE, TEN = datetime.fromisoformat("2026-03-02T09:00"), datetime.fromisoformat("2026-03-02T10:00")
TOMORROW = NINE + timedelta(days=1)


@pytest.mark.parametrize(
    ("old", "new", "key", "moved"),
    [
        (YearlyPattern(1, 2, time(9), 1990, 1990), YearlyPattern(1, 2, time(8), 1991, 1991), "2026", "2026"),
        (YearlyPattern(1, 2, time(9), 1990, 1990), YearlyPattern(1, 3, time(9), 1990, 1990), "2026", None),
        (OncePattern(NINE), OncePattern(TEN), "2026-03-02T09:00:00", "2026-03-02T10:00:00"),
        (OncePattern(NINE), OncePattern(TOMORROW), "2026-03-02T09:00:00", None),
        (
            RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(TEN, "FREQ=DAILY"),
            "2026-05-07T09:00:00", "2026-05-07T10:00:00",
        ),
        (
            RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(NINE, "FREQ=DAILY"),
            "2026-05-07T09:00:00", "2026-05-07T09:00:00",
        ),
        (RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(NINE, "FREQ=WEEKLY"), "2026-05-07T09:00:00", None),
        (RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(TOMORROW, "FREQ=DAILY"), "2026-05-07T09:00:00",
         "2026-05-07T09:00:00"),
        (RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(TEN, "FREQ=WEEKLY"), "2026-05-04T09:00:00",
         "2026-05-04T10:00:00"),
        (RecurringPattern(NINE, "FREQ=DAILY;BYHOUR=9,20"), RecurringPattern(TEN, "FREQ=DAILY;BYHOUR=9,20"),
         "2026-05-04T09:00:00", "2026-05-04T09:00:00"),
        (
            RecurringPattern(NINE, "FREQ=DAILY"), RecurringPattern(NINE, "FREQ=DAILY", (TOMORROW,)),
            "2026-05-07T09:00:00", "2026-05-07T09:00:00",
        ),
        (RecurringPattern(NINE, "FREQ=DAILY"), OncePattern(NINE), "2026-03-02T09:00:00", None),
    ],
)  # fmt: skip
def test_an_occurrence_is_the_same_where_only_its_time_differs(
    old: YearlyPattern, new: YearlyPattern, key: str, moved: str | None
) -> None:
    assert moved_key(old, new, key) == moved


@pytest.mark.parametrize(
    "parts",
    [
        PatternParts(Kind.ONCE, NINE),
        PatternParts(Kind.YEARLY, NINE),
        PatternParts(Kind.RRULE, NINE, "FREQ=DAILY", (TOMORROW,)),
    ],
)
def test_a_pattern_is_written_down_as_it_was_read(parts: PatternParts) -> None:
    assert parts_of(pattern_of(parts)) == parts


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        (PatternParts(Kind.RRULE, NINE), "rrule"),
        (PatternParts(Kind.ONCE, NINE, "FREQ=DAILY"), "rrule"),
        (PatternParts(Kind.YEARLY, NINE, None, (TOMORROW,)), "exdates"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(parts: PatternParts, field: str) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        pattern_of(parts)
    assert caught.value.field == field


def test_a_schedule_becomes_a_rule_in_its_zone() -> None:
    schedule = replace(_derived(EventType.BIRTHDAY)[0], id=uuid4(), timezone="Asia/Tokyo", pattern=OncePattern(NINE))
    occurrence = rule_of(RULES, schedule).occurrence(NINE.isoformat())
    assert occurrence is not None
    assert occurrence.instant.isoformat() == "2026-03-02T00:00:00+00:00"
