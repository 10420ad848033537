"""`make demo`: one calendar day as it passes over all the world's zones, in time-lapse, and its report."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time

import httpx

from almanac_client import ApiError
from chassis.database.clock import ClockMap
from local_stack.api import Almanac, refusal
from local_stack.due import broadcast_instant, due_instant
from local_stack.inbox.store import Receipt, parse_receipt, read_receipts
from local_stack.report import Tally, TimeLapse
from local_stack.roster import Row
from local_stack.settings import StackSettings
from local_stack.stack import Stack

_IN_FLIGHT = 32
# Real time without progress after which waiting is given up: longer than a killed worker holds deliveries (90 s).
_PATIENCE_SECONDS = 120.0
# Real time after the last expected delivery in which a repeated one would still come.
_SETTLE_SECONDS = 2.0
_POLL_SECONDS = 0.25
_SAY_SECONDS = 5.0


@dataclass(frozen=True)
class Imported:
    """What the user API made of the rows: users by id, and how many rows it refused."""

    users: dict[str, Row]
    refused: int


def say(line: str) -> None:
    """Progress goes to stderr; stdout has the report alone."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Day:
    """A calendar day to run, at a speed, and the local time at which all users are notified too (None: not at all)."""

    date: date
    speed: float
    broadcast: wall_time | None = None


async def demo(settings: StackSettings, rows: Sequence[Row], run: Day) -> int:
    """Run the day on fresh data; prints the report as the last line of stdout and returns the exit status."""
    day, speed = run.date, run.speed
    stack = Stack(settings, settings.data_dir / "demo", say)
    start = datetime.combine(day - timedelta(days=1), wall_time(10), UTC)
    end = datetime.combine(day + timedelta(days=1), wall_time(12), UTC)

    async def freeze(stack: Stack) -> None:
        await stack.set_clocks(ClockMap(datetime.now(UTC), start, speed=0))

    async def run_day(stack: Stack, almanac: Almanac) -> tuple[Imported, TimeLapse]:
        imported = await _import(almanac, rows)
        await _projected(almanac, len(imported.users))
        if run.broadcast is not None:
            await _broadcast(almanac, datetime.combine(day, run.broadcast), len(imported.users))
        clock = TimeLapse(datetime.now(UTC), start, speed)
        await stack.set_clocks(ClockMap(clock.started_at, start, speed, stops_at=end))
        say(f"the clock runs from {start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ} at {speed:g} times real time")
        await _delivered(stack, almanac, _tallies(imported, run, clock), end)
        return imported, clock

    imported, clock = await stack.run(run_day, before_services=freeze, fresh=True)
    tallies = _tallies(imported, run, clock)
    for receipt in read_receipts(stack.inbox.file):
        for tally in tallies:
            tally.add(receipt)
    for tally in tallies:
        for user in tally.missing:
            row = imported.users[user]
            name = f"{row.fields['firstName']} {row.fields['lastName']}"
            say(f"line {row.line}: {name} was due a {tally.event_type} and had none (user {user})")
        for surprise in tally.surprises:
            say(surprise)
    report = tallies[0].report(len(imported.users), imported.refused)
    if run.broadcast is not None:
        report["broadcast"] = tallies[1].counts()
    print(json.dumps(report), flush=True)
    return 0 if all(tally.perfect(imported.refused) for tally in tallies) else 1


async def _import(almanac: Almanac, rows: Sequence[Row]) -> Imported:
    """Post every row to the user API; a refused one is named and left out."""
    users: dict[str, Row] = {}
    refused = 0
    waiting = iter(rows)

    async def post() -> None:
        nonlocal refused
        for row in waiting:
            fault = row.fault
            if fault is None:
                try:
                    users[await almanac.create_user(row.fields, f"line-{row.line}")] = row
                except ApiError as error:
                    fault = refusal(error)
                    if fault is None:
                        raise
            if fault is not None:
                refused += 1
                say(f"line {row.line} refused: {fault}")

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(post())
    say(f"{len(users)} users created in {time.monotonic() - began:.1f} s, {refused} rows refused")
    return Imported(users, refused)


async def _projected(almanac: Almanac, users: int) -> None:
    """Wait until event-service has scheduled an event for every user, or makes no progress any more."""
    scheduled, moved_at = -1, time.monotonic()
    while scheduled < users:
        now_scheduled = await almanac.users_scheduled()
        if now_scheduled != scheduled:
            scheduled, moved_at = now_scheduled, time.monotonic()
        elif time.monotonic() - moved_at > _PATIENCE_SECONDS:
            say(f"only {scheduled} of {users} users have an event, and none came for {_PATIENCE_SECONDS:g} s")
            return
        await asyncio.sleep(_POLL_SECONDS)
    say(f"{scheduled} users have an event scheduled")


async def _broadcast(almanac: Almanac, at: datetime, users: int) -> None:
    """Create a broadcast to all users, and wait until each has an event, or no more are made."""
    message = "Hey, {first_name} here is a notification for all users"
    body = {"audience": {"all": True}, "at": at.isoformat(), "message": message}
    broadcast = await almanac.broadcasts.create(body, key="broadcast")
    scheduled, moved_at = -1, time.monotonic()
    while True:
        progress = await almanac.broadcasts.get(broadcast.id)
        if progress.scheduled != scheduled:
            scheduled, moved_at = progress.scheduled, time.monotonic()
        if progress.status == "SCHEDULED" or time.monotonic() - moved_at > _PATIENCE_SECONDS:
            say(f"{scheduled} of {users} users have an event of the broadcast for {at:%Y-%m-%dT%H:%M}, local time")
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _delivered(stack: Stack, almanac: Almanac, tallies: Sequence[Tally], end: datetime) -> None:
    """Wait until the clock has reached its end and all is delivered, or nothing comes any more."""
    clock = tallies[0].clock
    seen, moved_at, said_at = 0, time.monotonic(), 0.0
    while True:
        now = datetime.now(UTC)
        for receipt in await _receipts_after(stack, almanac, seen):
            for tally in tallies:
                tally.add(receipt)
            seen, moved_at = receipt.sequence, time.monotonic()
        if now < clock.real(end):
            moved_at = time.monotonic()
        quiet = time.monotonic() - moved_at
        if quiet > (_PATIENCE_SECONDS if any(tally.missing for tally in tallies) else _SETTLE_SECONDS):
            return
        if time.monotonic() - said_at > _SAY_SECONDS:
            said_at = time.monotonic()
            shown = min(clock.shows(now), end)
            delivered, due = (
                sum(each) for each in zip(*((t.delivered, len(t.expected)) for t in tallies), strict=True)
            )
            progress = f"{delivered} of {due} due delivered, {seen} webhooks in all"
            say(f"{shown:%Y-%m-%dT%H:%MZ}: {progress}")
        await asyncio.sleep(_POLL_SECONDS)


async def _receipts_after(stack: Stack, almanac: Almanac, sequence: int) -> list[Receipt]:
    """What the inbox has received since; nothing while it is being restarted, for nothing is lost by that."""
    try:
        answer = await almanac.client.get(f"{stack.inbox.url}/received", params={"after": sequence, "limit": 1000})
    except httpx.TransportError:
        return []
    return [parse_receipt(item["sequence"], item) for item in answer.json()["items"]]


def _tallies(imported: Imported, run: Day, clock: TimeLapse) -> list[Tally]:
    """One for birthdays, and one for the broadcast if there is one."""
    fields = {user: row.fields for user, row in imported.users.items()}
    zones = {user: each["timezone"] for user, each in fields.items()}
    greeted = {user: at for user, each in fields.items() if (at := due_instant(each, run.date)) is not None}
    tallies = [Tally(run.date, greeted, zones, clock)]
    if run.broadcast is not None:
        notified = {user: broadcast_instant(each, run.date, run.broadcast) for user, each in fields.items()}
        tallies.append(Tally(None, notified, zones, clock, "NOTIFICATION"))
    return tallies
