"""Compares both sides: who is there, what comes next and when, and what has been."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from rich.table import Table

from almanac_cli.migrate.lines import instant_of
from almanac_cli.migrate.source import OldDatabase
from almanac_cli.running import console
from almanac_client import Almanac
from contracts.identity import derive_id

SHOWN = 10
"""Differences of one kind that are printed."""
HISTORY_STATUSES = ("COMPLETED", "FAILED")


@dataclass(slots=True)
class Comparison:
    """One thing that is compared: how many each side has, and what differs."""

    what: str
    old: int = 0
    new: int = 0
    differences: list[str] = field(default_factory=list)
    checked: bool = True

    @property
    def equal(self) -> bool:
        return not self.differences


async def verify(source: OldDatabase, almanac: Almanac, *, history_since: datetime, history: bool) -> list[Comparison]:
    """Compare everything that the migration moves. Times must be the same to the second."""
    result = [await _users(source, almanac), await _birthdays(source, almanac), await _one_offs(source, almanac)]
    if source.system.schedules.table:
        result.append(await _schedules(source, almanac))
    if history:
        result.append(await _history(source, almanac, history_since))
    return result


async def compare_fired(source: OldDatabase, almanac: Almanac, since: datetime) -> Comparison:
    """Compare what both systems have fired since an instant, by user and instant: the week of shadow mode."""
    result = Comparison(f"fired since {since:%Y-%m-%dT%H:%M:%SZ}")
    old = Counter[tuple[str, datetime]]()
    imported: set[UUID] = set()
    async for row in source.events(source.system.events.completed):
        target = instant_of(row["target"])
        imported.add(derive_id("import/history", str(row["key"])))
        if target >= since:
            old[str(row["user"]), target.replace(microsecond=0)] += 1
    new = Counter[tuple[str, datetime]]()
    async for event in almanac.events.iterate(status="COMPLETED", start=since):
        if event.external_id is not None and event.id not in imported:
            new[event.external_id, event.target_timestamp_utc.replace(microsecond=0)] += 1
    result.old, result.new = old.total(), new.total()
    result.differences += [f"{user}: the old system alone, {at:%Y-%m-%dT%H:%M:%SZ}" for user, at in sorted(old - new)]
    result.differences += [f"{user}: Almanac alone, {at:%Y-%m-%dT%H:%M:%SZ}" for user, at in sorted(new - old)]
    return result


async def _users(source: OldDatabase, almanac: Almanac) -> Comparison:
    result = Comparison("users")
    old = {str(row["external_id"]): row async for row in source.users()}
    found: set[str] = set()
    async for user in almanac.users.iterate():
        if user.external_id is None or (row := old.get(user.external_id)) is None:
            continue
        found.add(user.external_id)
        if str(row["timezone"]) != user.timezone:
            result.differences.append(f"{user.external_id}: another timezone")
        if str(row["date_of_birth"])[:10] != user.date_of_birth.isoformat():
            result.differences.append(f"{user.external_id}: another date of birth")
    result.old, result.new = len(old), len(found)
    result.differences += [f"{each}: not in Almanac" for each in sorted(old.keys() - found)]
    return result


async def _birthdays(source: OldDatabase, almanac: Almanac) -> Comparison:
    """The next instants of what follows from users."""
    result = Comparison("next birthdays")
    table = source.system.events
    old: dict[str, datetime] = {}
    async for row in source.events(table.waiting):
        if table.types.get(str(row["type"]), "NOTIFICATION") == "user":
            user, target = str(row["user"]), instant_of(row["target"])
            old[user] = min(old.get(user, target), target)
    new: dict[str, datetime] = {}
    async for event in almanac.events.iterate(status="PENDING", event_type="BIRTHDAY"):
        if event.external_id in old:
            new[event.external_id] = event.target_timestamp_utc
    return _same_instants(result, old, new)


async def _one_offs(source: OldDatabase, almanac: Almanac) -> Comparison:
    result = Comparison("one-off events")
    table = source.system.events
    old: dict[str, datetime] = {}
    async for row in source.events(table.waiting):
        if table.types.get(str(row["type"]), "NOTIFICATION") in ("REMINDER", "NOTIFICATION"):
            old[str(row["key"])] = instant_of(row["target"])
    ids = {derive_id("import/events", key): key for key in old}
    new: dict[str, datetime] = {}
    for type in ("REMINDER", "NOTIFICATION"):
        async for event in almanac.events.iterate(status="PENDING", event_type=type):
            if (key := ids.get(event.id)) is not None:
                new[key] = event.target_timestamp_utc
    return _same_instants(result, old, new)


async def _schedules(source: OldDatabase, almanac: Almanac) -> Comparison:
    result = Comparison("schedules")
    ids = {derive_id("import/schedules", str(row["key"])): str(row["key"]) async for row in source.schedules()}
    found = {each.id async for each in almanac.schedules.iterate(event_type="REMINDER") if each.id in ids}
    result.old, result.new = len(ids), len(found)
    result.differences = [f"{ids[id]}: not in Almanac" for id in ids.keys() - found]
    return result


async def _history(source: OldDatabase, almanac: Almanac, since: datetime) -> Comparison:
    result = Comparison("history")
    table = source.system.events
    old: dict[UUID, tuple[str, str]] = {}
    async for row in source.events((*table.completed, *table.failed)):
        if instant_of(row["target"]) >= since:
            key = str(row["key"])
            old[derive_id("import/history", key)] = (
                key,
                "COMPLETED" if str(row["status"]) in table.completed else "FAILED",
            )
    new: dict[UUID, str] = {}
    for status in HISTORY_STATUSES:
        async for event in almanac.events.iterate(status=status, end=datetime.now(UTC)):
            if event.id in old:
                new[event.id] = event.status
    result.old, result.new = len(old), len(new)
    for id, (key, status) in old.items():
        if id not in new:
            result.differences.append(f"{key}: not in Almanac")
        elif new[id] != status:
            result.differences.append(f"{key}: {new[id]}, not {status}")
    return result


def _same_instants(result: Comparison, old: dict[str, datetime], new: dict[str, datetime]) -> Comparison:
    result.old, result.new = len(old), len(new)
    for key, target in sorted(old.items()):
        there = new.get(key)
        if there is None:
            result.differences.append(f"{key}: nothing waits in Almanac, {_shown(target)} in the old system")
        elif there.replace(microsecond=0) != target.replace(microsecond=0):
            result.differences.append(f"{key}: {_shown(there)} in Almanac, {_shown(target)} in the old system")
    return result


def show(comparisons: list[Comparison]) -> None:
    """Print them."""
    table = Table("", "old system", "Almanac", "differences")
    for each in comparisons:
        table.add_row(each.what, f"{each.old:,}", f"{each.new:,}", f"{len(each.differences):,}")
    console.print(table)
    for each in comparisons:
        for difference in each.differences[:SHOWN]:
            console.print(f"  {each.what}: {difference}", soft_wrap=True)
        if (more := len(each.differences) - SHOWN) > 0:
            console.print(f"  {each.what}: {more:,} more")


def _shown(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"
