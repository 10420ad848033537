"""What there is in the old database, and what would become of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from rich.table import Table

from almanac_cli.migrate.lines import instant_of
from almanac_cli.migrate.source import OldDatabase
from almanac_cli.running import console

QUIET = timedelta(minutes=5)
"""How far from the switch instant nothing should be due."""


@dataclass(frozen=True, slots=True)
class EventsPlan:
    """Events of one old type and state."""

    type: str
    status: str
    count: int
    first: datetime | None
    last: datetime | None
    becomes: str


@dataclass(frozen=True, slots=True)
class Plan:
    users: int
    schedules: int
    events: tuple[EventsPlan, ...]

    @property
    def claimed(self) -> int:
        return sum(each.count for each in self.events if each.becomes.startswith("nothing: claimed"))


async def make_plan(source: OldDatabase) -> Plan:
    system = source.system
    users = await source.count(system.users)
    schedules = await source.count(system.schedules) if system.schedules.table else 0
    events = [
        EventsPlan(type, status, count, _utc(first), _utc(last), _becomes(source, type, status))
        for type, status, count, first, last in await source.events_by_type_and_status()
    ]
    return Plan(users, schedules, tuple(events))


def _becomes(source: OldDatabase, type: str, status: str) -> str:
    table = source.system.events
    if status in table.waiting:
        return {
            "user": "follows from its user (verified, not imported)",
            "skip": "nothing: skipped by the mapping",
        }.get(kind := table.types.get(type, "NOTIFICATION"), f"a {kind} at the same instant")
    if status in table.in_hand:
        return "nothing: claimed, the old system finishes it"
    if status in table.completed or status in table.failed:
        return "history"
    return "nothing: the mapping does not name this state"


def show(plan: Plan) -> None:
    """Print it."""
    console.print(f"{plan.users:,} users, {plan.schedules:,} schedules")
    table = Table("type", "status", "events", "first", "last", "becomes")
    for each in plan.events:
        table.add_row(each.type, each.status, f"{each.count:,}", _shown(each.first), _shown(each.last), each.becomes)
    console.print(table)
    if plan.claimed:
        console.print(f"{plan.claimed:,} events are claimed: plan again when the old system has finished them.")


@dataclass(frozen=True, slots=True)
class SwitchCheck:
    """The events due around a switch instant, and the quietest instant within an hour of it."""

    at: datetime
    near: int
    quietest: datetime
    distance: timedelta
    """How far the nearest event is from the quietest instant."""


async def check_switch(source: OldDatabase, at: datetime) -> SwitchCheck:
    hour = timedelta(hours=1)
    due = [instant_of(each) for each in await source.targets(at - hour, at + hour)]
    near = sum(abs(each - at) <= QUIET for each in due)
    edges = [at - hour, *due, at + hour]
    gap, start = max(((after - before), before) for before, after in pairwise(edges))
    return SwitchCheck(at, near, (start + gap / 2).replace(microsecond=0), gap / 2)


def show_switch(check: SwitchCheck) -> None:
    """Print it."""
    console.print(f"{check.near:,} events are due within {QUIET.seconds // 60} minutes of {_shown(check.at)}.")
    if check.near:
        console.print(
            f"A quieter switch instant is {_shown(check.quietest)}: nothing is due for"
            f" {int(check.distance.total_seconds() // 60)} minutes before and after it."
        )


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else instant_of(value)


def _shown(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}"
