"""`make soak-year`: a year in time-lapse. The last line says whether every slot was delivered once."""

import asyncio
import json
import os
import random
import signal
import time as monotonic
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.database.clock import ClockMap
from local_stack.api import Almanac
from local_stack.demo import say
from local_stack.inbox.store import read_receipts
from local_stack.settings import StackSettings
from local_stack.soak.expected import Kind, Series, Window, WorkingDays, spread_offset
from local_stack.stack import Stack

START = datetime(2026, 12, 31, 22, 7, 30, tzinfo=UTC)
"""No series is due at seven and a half minutes past: all changes are made at such instants."""
SEGMENT = timedelta(days=7)
SEGMENT_SECONDS = 4.0
"""Of real time, in which the clock runs through a week. It stops at the end until all is delivered."""
GRACE_SECONDS = 1_209_600
"""Two weeks, the longest: no outage of a run is longer than its week."""
PATIENCE_SECONDS = 240.0
"""Real time without a delivery after which missing ones are given up: leases of killed processes end in 90 s."""
POLL_SECONDS = 0.1
CHANGES_A_WEEK = 0.1
"""Of the series."""
HOURLY_DAYS = 14
ZONES = (
    "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Europe/Berlin", "Europe/London", "Africa/Cairo",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland", "Pacific/Honolulu",
    "Pacific/Kiritimati", "Pacific/Pago_Pago",
)  # fmt: skip
COUNTRIES = ("US", "DE", "JP")
DAYS_OF_WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SPREAD_SECONDS = 3600
WINDOW_HOURS = 12
DEAD_URL = "http://127.0.0.1:9/dead"
"""The discard port, on which nothing listens."""


@dataclass(frozen=True)
class Size:
    users: int
    days: int
    outages: int
    seed: int


@dataclass
class User:
    id: str
    zone: str
    series: list["Planned"] = field(default_factory=list)
    window: Window | None = None
    """The user's own send window, or that of the series. Such a user stays in one zone."""


@dataclass
class Planned:
    """A series with its schedule. ``schedule`` is None of a birthday, which follows from its user."""

    series: Series
    schedule: UUID | None
    exdates: set[date] = field(default_factory=set)


class Year:
    """One run against a stack."""

    def __init__(self, stack: Stack, almanac: Almanac, size: Size) -> None:
        self.stack, self.almanac, self.size = stack, almanac, size
        self.random = random.Random(size.seed)  # so that a run can be repeated
        self.users: list[User] = []
        self.changes: Counter[str] = Counter()
        self.now = START

    async def run(self) -> None:
        await self.almanac.endpoints.create({"url": DEAD_URL, "description": "Refuses every connection"})
        await self._create()
        end = START + timedelta(days=self.size.days)
        weeks = -(-self.size.days // 7)
        outages = sorted(self.random.sample(range(weeks), min(weeks, self.size.outages)))
        for week in range(weeks):
            await self._change()
            until = min(self.now + SEGMENT, end)
            for planned in self._planned():
                planned.series.run(self.now, until)
            await self._pass(until, outage=week in outages)
            self.now = until
            missing = await self._delivered()
            say(f"{until:%Y-%m-%d}: {sum(self.expected().values())} due, {len(missing)} missing, {dict(self.changes)}")
            if missing:
                return

    def _planned(self) -> list[Planned]:
        return [planned for user in self.users for planned in user.series]

    # -- users and their series ---------------------------------------------------------------------------------------

    async def _create(self) -> None:
        for number in range(self.size.users):
            zone = self.random.choice(ZONES)
            born = date(1990, 1, 1) + timedelta(days=self.random.randrange(365))
            at = self._time()
            fields: dict[str, Any] = {
                "firstName": "Ada", "lastName": f"No {number}", "dateOfBirth": born.isoformat(), "timezone": zone,
                "deliveryTime": f"{at:%H:%M}",
            }  # fmt: skip
            # Every fifth has a send window, half of those as a user and half as a setting of the series.
            window = self._window(zone) if number % 5 == 4 else None
            own = window if number % 2 == 0 else None
            if own is not None:
                fields["sendWindow"] = self._hours(own)
            user = User(await self.almanac.create_user(fields, f"user-{number}"), zone, window=window)
            birthday = Series(f"birthday {user.id}", Kind.YEARLY, zone, born.replace(year=2020), at)
            birthday.window = own
            user.series.append(Planned(birthday, None))
            self.users.append(user)
        await self._until(self._scheduled)
        say(f"{self.size.users} users have their birthdays scheduled")
        for number, user in enumerate(self.users):
            await self._add(user, number)
        say(f"{sum(each.schedule is not None for each in self._planned())} schedules were made")

    async def _scheduled(self) -> bool:
        return await self.almanac.users_scheduled() >= self.size.users

    async def _until(self, done: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await done():  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(POLL_SECONDS)

    async def _add(self, user: User, number: int) -> None:
        # Of 100 users one has an hourly series, ten a daily one, forty a weekly one and the others a yearly one.
        share = number % 100
        kind = (
            Kind.HOURLY if share == 0
            else Kind.DAILY if share <= 10
            else Kind.WEEKLY if share <= 50
            else Kind.YEARLY
        )  # fmt: skip
        first = date(2026, 12, 20) + timedelta(days=self.random.randrange(14))
        start = first if kind is not Kind.YEARLY else date(2026, 1, 2) + timedelta(days=self.random.randrange(350))
        at = time(0, self.random.choice((0, 15, 30, 45))) if kind is Kind.HOURLY else self._time()
        series = Series(f"{kind.lower()} {number}", kind, user.zone, start, at)
        rrule = f"FREQ={kind}"
        if kind is Kind.HOURLY:
            series.ends = START + timedelta(days=HOURLY_DAYS)
            rrule += f";UNTIL={series.ends:%Y%m%dT%H%M%SZ}"
        body: dict[str, Any] = {
            "userId": user.id,
            "label": series.name,
            "rule": {"kind": "RRULE", "startLocal": self._start(series), "rrule": rrule},
            "catchUp": "all",
            "graceSeconds": GRACE_SECONDS,
            "expirySeconds": 2 * GRACE_SECONDS,
            "payload": {"series": series.name},
        }
        series.window = user.window
        if user.window is not None and number % 2:
            body["sendWindow"] = self._hours(user.window)
        # Of those that are not hourly a third is kept on working days, and one in four is spread.
        if kind is not Kind.HOURLY and user.window is None and number % 3 == 1:
            body["spreadSeconds"] = SPREAD_SECONDS
        if kind is not Kind.HOURLY and number % 3 == 2:
            # A weekly or yearly one may fall on days that are never working days, and would never come.
            adjusts = ("next", "previous", "skip") if kind is Kind.DAILY else ("next", "previous")
            series.working = WorkingDays(self.random.choice(COUNTRIES), self.random.choice(adjusts))
            body["businessDays"] = {"country": series.working.country, "adjust": series.working.adjust}
        made = await self.almanac.schedules.create(body, key=f"schedule-{number}")
        if "spreadSeconds" in body:
            series.offset = spread_offset(str(made.id), SPREAD_SECONDS)
        user.series.append(Planned(series, made.id))

    def _window(self, zone: str) -> Window:
        """Open when the clock stops at the end of a week, so that all that was due by then can be delivered."""
        middle = START.astimezone(ZoneInfo(zone)).hour
        return Window(zone, (middle - WINDOW_HOURS // 2) % 24, (middle + WINDOW_HOURS // 2) % 24)

    def _hours(self, window: Window) -> list[dict[str, Any]]:
        return [{"days": DAYS_OF_WEEK, "from": f"{window.start:02}:00", "until": f"{window.until:02}:00"}]

    def _time(self) -> time:
        return time(self.random.randrange(24), self.random.choice((0, 15, 30, 45)))

    def _start(self, series: Series) -> str:
        return datetime.combine(series.start, series.at).isoformat()

    # -- changes, while the clock stands still ------------------------------------------------------------------------

    async def _change(self) -> None:
        for planned in self._planned():
            if planned.series.paused and planned.schedule is not None:
                await self.almanac.schedules.resume(planned.schedule)
                planned.series.paused = False
                self.changes["resumed"] += 1
        for user in self.users:
            for planned in user.series:
                if planned.schedule is not None and self.random.random() < CHANGES_A_WEEK:
                    await self.random.choice(self._kinds(planned))(planned, planned.schedule)
            if self.random.random() < CHANGES_A_WEEK / 5:
                await self._move_user(user)

    def _kinds(self, planned: Planned) -> list[Callable[[Planned, UUID], Any]]:
        if planned.series.coming(self.now)[1] is None:
            return [self._nothing]  # it has ended
        kinds: list[Callable[[Planned, UUID], Any]] = [self._edit, self._cancel, self._move]
        if planned.series.kind in (Kind.DAILY, Kind.WEEKLY):
            kinds.append(self._exclude)
        if not planned.series.moved:
            kinds.append(self._pause)
        return kinds

    async def _nothing(self, planned: Planned, schedule: UUID) -> None:
        self.changes["nothing left to change"] += 1

    async def _edit(self, planned: Planned, schedule: UUID) -> None:
        series = planned.series
        at = time(0, self.random.choice((0, 15, 30, 45))) if series.kind is Kind.HOURLY else self._time()
        if at == series.at:
            return
        series.change(self.now, at=at)
        await self.almanac.schedules.update(schedule, {"rule": {"startLocal": self._start(series)}})
        self.changes["edited"] += 1

    async def _next(self, planned: Planned, schedule: UUID) -> UUID | None:
        """The id of the event that comes next; None of one that is too far ahead, or has a time of its own."""
        found = await self.almanac.schedules.get(schedule)
        if found.live_event_id is None:
            return None
        event = await self.almanac.events.get(found.live_event_id)
        return None if event.rescheduled else event.id

    async def _cancel(self, planned: Planned, schedule: UUID) -> None:
        if (event := await self._next(planned, schedule)) is None:
            return
        planned.series.skip(self.now)
        await self.almanac.events.cancel(event)
        self.changes["cancelled"] += 1

    async def _move(self, planned: Planned, schedule: UUID) -> None:
        if (event := await self._next(planned, schedule)) is None:
            return
        to = self.now + timedelta(hours=self.random.randrange(1, 20 * 24), minutes=11)
        planned.series.move(self.now, to)
        await self.almanac.events.reschedule(event, to.isoformat())
        self.changes["moved"] += 1

    async def _exclude(self, planned: Planned, schedule: UUID) -> None:
        series = planned.series
        day, _ = series.coming(self.now)
        if day is None or series.moved:
            return
        days = [each for each, _ in zip(series.days_after(day), range(3), strict=False)]
        series.excluded.add(self.random.choice(days))
        # All of them: the next day that comes may lie behind one that was left out before.
        exdates = [datetime.combine(each, series.at).isoformat() for each in sorted(series.excluded)]
        await self.almanac.schedules.update(schedule, {"rule": {"exdates": exdates}})
        self.changes["excluded"] += 1

    async def _pause(self, planned: Planned, schedule: UUID) -> None:
        await self.almanac.schedules.pause(schedule)
        planned.series.paused = True
        self.changes["paused"] += 1

    async def _move_user(self, user: User) -> None:
        zone = self.random.choice(ZONES)
        if zone == user.zone or user.window is not None:
            return
        user.zone = zone
        for planned in user.series:
            planned.series.change(self.now, zone=zone)
        await self.almanac.users.update(UUID(user.id), {"timezone": zone})

        async def followed() -> bool:
            schedules = self.almanac.schedules.iterate(user_id=UUID(user.id))
            return all([each.timezone == zone async for each in schedules])

        await self._until(followed)
        self.changes["users moved"] += 1

    # -- time ---------------------------------------------------------------------------------------------------------

    async def _pass(self, until: datetime, *, outage: bool) -> None:
        speed = (until - self.now).total_seconds() / SEGMENT_SECONDS
        await self.stack.set_clocks(ClockMap(datetime.now(UTC), self.now, speed, stops_at=until))
        if outage:
            await asyncio.sleep(SEGMENT_SECONDS * self.random.random())
            await self._break()

    async def _break(self) -> None:
        """Kill a service, or let the bus hang for five seconds. The stack restarts what dies."""
        what = self.random.choice(("event-service", "delivery-service", "emulator"))
        [pid] = [pid for name, pid in self.stack.supervisor.pids() if name == what]
        say(f"outage of {what}")
        self.changes[f"outages of {what}"] += 1
        if what == "emulator":
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(5)
            os.kill(pid, signal.SIGCONT)
        else:
            os.kill(pid, signal.SIGKILL)

    # -- what came ----------------------------------------------------------------------------------------------------

    def expected(self) -> Counter[tuple[str, datetime]]:
        return Counter((each.series.name, instant) for each in self._planned() for instant in each.series.expected)

    def received(self) -> tuple[Counter[tuple[str, datetime]], int]:
        """What came, each webhook id once, and how many came again."""
        found: dict[str, tuple[str, datetime]] = {}
        repeated = 0
        for receipt in read_receipts(self.stack.inbox.file):
            data = receipt.body["data"]
            name = data.get("series") or f"birthday {data['userId']}"
            repeated += str(receipt.webhook_id) in found
            target = datetime.fromisoformat(data["targetTimestampUTC"]).astimezone(UTC)
            found[str(receipt.webhook_id)] = (name, target)
        targets: dict[str, list[datetime]] = defaultdict(list)
        for name, target in found.values():
            targets[name].append(target)
        series = {each.series.name: each.series for each in self._planned()}
        return Counter(
            (name, instant) for name, came in targets.items() for instant in series[name].received(came)
        ), repeated

    async def _delivered(self) -> Counter[tuple[str, datetime]]:
        """Wait until all is delivered, or nothing comes any more. Returns the missing deliveries."""
        expected, seen, moved_at = self.expected(), -1, monotonic.monotonic()
        while True:
            received, _ = self.received()
            missing = expected - received
            if not missing:
                return missing
            if received.total() != seen:
                seen, moved_at = received.total(), monotonic.monotonic()
            if monotonic.monotonic() - moved_at > PATIENCE_SECONDS:
                return missing
            await asyncio.sleep(0.5)

    def report(self) -> tuple[bool, dict[str, Any]]:
        expected = self.expected()
        received, repeated = self.received()
        missing, surplus = expected - received, received - expected
        for name, instant in sorted((missing | surplus).elements())[:20]:
            verb = "missing" if (name, instant) in missing else "not expected"
            say(f"{name} at {instant:%Y-%m-%dT%H:%M:%SZ}: {verb}")
        done = self.now >= START + timedelta(days=self.size.days)
        perfect = done and not missing and not surplus and expected.total() > 0
        return perfect, {
            "users": self.size.users,
            "days": (self.now - START).days,
            "seed": self.size.seed,
            "due": expected.total(),
            "delivered": (expected & received).total(),
            "missing": missing.total(),
            "notExpected": surplus.total(),
            "sentAgainUnderTheSameId": repeated,
            "changes": dict(self.changes),
            "everySlotDelivered": perfect,
        }


async def soak_year(settings: StackSettings, size: Size) -> int:
    """Run the year on fresh data; prints the report as the last line of stdout and returns the exit status."""
    # A week passes in seconds, so that what takes a moment is days late.
    os.environ |= {"GRACE_HOURS_BIRTHDAY": "336", "EXPIRY_HOURS_BIRTHDAY": "672"}
    stack = Stack(settings, settings.data_dir / "soak", say)

    async def freeze(stack: Stack) -> None:
        await stack.set_clocks(ClockMap(datetime.now(UTC), START, speed=0))

    async def run(stack: Stack, almanac: Almanac) -> Year:
        year = Year(stack, almanac, size)
        await year.run()
        return year

    year = await stack.run(run, before_services=freeze, fresh=True)
    perfect, report = year.report()
    print(json.dumps(report), flush=True)
    return 0 if perfect else 1
