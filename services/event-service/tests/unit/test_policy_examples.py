"""Each row of the tables of examples in docs/policies.md is what happens."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from chassis.core.zones import zone
from contracts.vocabulary import EventType
from event_service.domain.events import LATE_AFTER
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.occurrences import next_occurrence
from event_service.domain.recurrence import Once, Policies, Rule, Yearly
from event_service.domain.schedules import LiveEvent
from event_service.domain.type_rules import TypeRules
from event_service.roles import rulebook
from event_service.settings import Settings

DOCUMENT = Path(__file__).parents[4] / "docs/policies.md"
RULES = rulebook(Settings(database_url=SecretStr("postgresql://x")))
DUE = datetime(2026, 11, 23, 9, tzinfo=zone("Europe/Paris")).astimezone(UTC)


def _rows(title: str) -> list[tuple[str, ...]]:
    """Those of the table under the heading ``title``, without its head."""
    section = DOCUMENT.read_text().split(f"## {title}\n")[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines]


def _shown(instant: datetime, name: str) -> str:
    text = instant.astimezone(zone(name)).isoformat(" ", "minutes")
    return f"{text[:16]} {text[16:]}"


CLOCKS = _rows("Clock changes and leap days")
LATENESS = _rows("Late or missed")
MOVES = _rows("Users who move")


def _policies(name: str) -> Policies:
    return Policies(
        GapPolicy(name) if name in set(GapPolicy) else GapPolicy.SHIFT_FORWARD,
        OverlapPolicy(name) if name in set(OverlapPolicy) else OverlapPolicy.FIRST,
        LeapDayPolicy(name) if name in set(LeapDayPolicy) else LeapDayPolicy.BACKWARD,
    )


@pytest.mark.parametrize(("name", "asked", "policy", "fires"), [row[1:] for row in CLOCKS])
def test_a_local_time_fires_when_documented(name: str, asked: str, policy: str, fires: str) -> None:
    day, at = asked.split()
    year, month, of_month = map(int, day.split("-"))
    yearly = Yearly(month, of_month, time.fromisoformat(at), zone(name), _policies(policy))
    found = yearly.occurrence(str(year))
    assert (_shown(found.instant, name) if found else "not that") == fires.removesuffix(" day").removesuffix(" year")
    if (month, of_month) != (2, 29):
        once = Once(datetime.fromisoformat(asked), zone(name), _policies(policy))
        again = once.first_from(datetime(1970, 1, 1, tzinfo=UTC))
        assert (again and again.instant) == (found and found.instant)


def _type_rules(text: str, own: TypeRules) -> TypeRules:
    set_for_it = {name: timedelta(seconds=int(value)) for name, value in re.findall(r"`(\w+)Seconds` (\d+)", text)}
    return TypeRules(
        grace=set_for_it.get("grace", own.grace), expiry=set_for_it.get("expiry", own.expiry), message=own.message
    )


@pytest.mark.parametrize(("event_type", "circumstance", "outcome"), LATENESS)
def test_late_event_becomes_what_is_documented(event_type: str, circumstance: str, outcome: str) -> None:
    own = _type_rules(circumstance, RULES[EventType(event_type)])
    if "the receiver is down" in circumstance:
        until = DUE + max(own.expiry or own.grace, own.grace)
        assert outcome == f"tried until {_shown(until, 'Europe/Paris')[:16]}"
        return
    number, unit = re.findall(r"(\d+) (seconds?|hours?) late", circumstance)[0]
    lateness = timedelta(**{unit.rstrip("s") + "s": int(number)})
    kept = next_occurrence(
        Once(datetime(2026, 11, 23, 9), zone("Europe/Paris")),  # noqa: DTZ001  # a wall time
        now=DUE + lateness,
        grace=own.grace,
        last=None,
        moving=_live("2026-11-23T09:00:00", DUE),
    )
    assert kept is not None
    if kept.instant + own.grace <= DUE + lateness:
        assert outcome == "missed"
    else:
        assert outcome == ("fired, flagged late" if lateness >= LATE_AFTER else "fired")


def _live(key: str, target: datetime) -> LiveEvent:
    return LiveEvent(UUID(int=1), target, key, pending=True)


def _birthday(text: str) -> Yearly:
    day, at, name = text.split()
    month, of_month = map(int, day.split("-"))
    return Yearly(month, of_month, time.fromisoformat(at), zone(name))


def _greetings(before: Yearly, changes: datetime, after: Yearly, until: datetime) -> Iterator[str]:
    """As the scheduler proceeds: an event fires when it is due, or at once, and its end makes the next one."""
    grace = RULES[EventType.BIRTHDAY].grace
    rule: Rule = before
    now, last = datetime(2026, 1, 1, tzinfo=UTC), None
    live = next_occurrence(rule, now=now, grace=grace, last=None)
    while live is not None and live.instant <= until:
        if rule is before and live.instant > changes:
            same_day = (before.month, before.day) == (after.month, after.day)
            rule, now = after, changes
            moving = _live(live.key, live.instant) if same_day else None
            live = next_occurrence(rule, now=now, grace=grace, last=last, moving=moving)
            continue
        now = max(now, live.instant)
        yield _shown(now, rule.zone.key)
        last = live.key
        live = rule.first_from(now - grace, after=last)


@pytest.mark.parametrize(
    ("before", "at", "after", "greeted"), [row[1:] for row in MOVES], ids=[row[0] for row in MOVES]
)
def test_user_who_moves_is_greeted_as_documented(before: str, at: str, after: str, greeted: str) -> None:
    changes = datetime.fromisoformat(at.replace(" +", "+"))
    until = datetime(2027, 12, 31, tzinfo=UTC)
    assert ", ".join(_greetings(_birthday(before), changes, _birthday(after), until)) == greeted


def test_the_tables_are_read_whole_and_show_every_policy() -> None:
    assert (len(CLOCKS), len(LATENESS), len(MOVES)) == (16, 11, 9)
    assert {row[3] for row in CLOCKS} == {*GapPolicy, *OverlapPolicy, *LeapDayPolicy}
    choices = DOCUMENT.read_text().split("\n## ")[0]
    for policies in (GapPolicy, OverlapPolicy, LeapDayPolicy):
        # The first one is the default.
        [row] = [line for line in choices.splitlines() if f"`{next(iter(policies))}`: " in line]
        assert re.findall(r"`(\w+)`", row) == list(policies)
    for event_type, hours in (("BIRTHDAY", 72), ("ANNIVERSARY", 72), ("REMINDER", 24), ("NOTIFICATION", 24)):
        own = RULES[EventType(event_type)]
        assert own.grace == timedelta(hours=hours)
        assert own.policies == Policies()
