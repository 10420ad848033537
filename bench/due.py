"""Events that come due without a schedule: written into event-service's tables, known at the sink by their ids."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.measure import CpuMeter, Summary, report
from bench.pipeline.observation import aws_calls, read, until
from bench.pipeline.run import SERVICES, check, say, settings
from bench.postgres import vacuum
from bench.sink import Sink
from chassis.database.database import Database
from contracts.vocabulary import EventType, Priority
from event_service.adapters import events
from event_service.domain.events import Event
from local_stack.api import Almanac
from local_stack.stack import Stack

INSERTED_AT_ONCE = 1_000
GRACE = timedelta(hours=24)
TYPES = {
    Priority.CRITICAL: EventType.BIRTHDAY,
    Priority.HIGH: EventType.ANNIVERSARY,
    Priority.NORMAL: EventType.REMINDER,
    Priority.LOW: EventType.NOTIFICATION,
}
# After all is done: a webhook that was sent twice would come within this time.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Due:
    """The coming events, and when they are due (Unix seconds)."""

    id: UUID
    at: float
    priority: Priority


@dataclass(frozen=True, slots=True)
class DueResult:
    """What a run took. Lateness in seconds from the target to the sink; `completed` from the first target on."""

    lateness: Mapping[Priority, Summary]
    all: Summary
    completed: float
    cpu: Mapping[str, float]
    calls: Counter[str]


Coming = Callable[[float], list[Due]]
"""Given a time, the events due from a while after it on."""


class Arrivals:
    """The one-machine stack on real time with the sink as its only endpoint, and one user whom everything is for."""

    def __init__(self, sink: Sink, stack: Stack, almanac: Almanac) -> None:
        self._sink = sink
        self._stack = stack
        self._almanac = almanac
        self._url = {service.name: service.url for service in stack.services}
        [self._service] = [service for service in stack.services if service.name == "event-service"]

    async def measure(self, coming: Sequence[Due], timeout: float) -> DueResult:
        """Insert what is coming, which must leave the time for that, and wait until the sink has it all.

        Raises PipelineError if an event is lost or comes twice.
        """
        before = await self._summary()
        await self._insert(await self._user(), coming)
        for service in self._stack.services:
            await vacuum(self._stack.postgres.url(service.database))
        first = min(each.at for each in coming)
        if first < time.time():
            raise RuntimeError("the first was due before all were there: leave more time")
        await asyncio.sleep(first - time.time() - 0.5)
        called = await self._calls()
        cpu = CpuMeter(
            {name: self._stack.supervisor.pid(name) for name in (*SERVICES, "postgresql", "emulator")}
            | {"sink": self._sink.pid}
        )
        await self._sink.wait_for(len(coming), timeout)
        completed = await until(self._summary, {"pending": before["pending"] + 1, "processing": 0}, timeout)
        spent, calls = cpu.spent(), await self._calls()
        await asyncio.sleep(SETTLE_SECONDS)
        check(len(coming), await self._sink.stats())
        receipts = await self._sink.receipts()
        late = {each.id: receipts[str(each.id)] - each.at for each in coming}
        by_priority = {
            priority: [late[each.id] for each in coming if each.priority is priority] for priority in Priority
        }
        return DueResult(
            lateness={priority: Summary.of(values) for priority, values in by_priority.items() if values},
            all=Summary.of(list(late.values())),
            completed=completed - first,
            cpu=spent,
            calls=calls - called,
        )

    async def _user(self) -> UUID:
        await self._almanac.send_all_to(self._sink.url)
        await self._sink.reset()
        # Born half a year from now, so that no birthday fires during the run.
        born = datetime.fromtimestamp(time.time() + 180 * 86_400, UTC).date().replace(year=1990, day=15)
        user = {"firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": born.isoformat(), "timezone": "UTC"}
        user_id = UUID(await self._almanac.create_user(user, "the user"))
        await until(self._summary, {"recipients": 1}, 60)
        return user_id

    async def _insert(self, user_id: UUID, coming: Sequence[Due]) -> None:
        database = Database(self._stack.postgres.url(self._service.database), pool_size=2)
        try:
            for start in range(0, len(coming), INSERTED_AT_ONCE):
                part = [_event(user_id, each) for each in coming[start : start + INSERTED_AT_ONCE]]
                async with database.transaction() as tx:
                    await events.insert(tx, part)
        finally:
            await database.close()

    async def _summary(self) -> dict[str, Any]:
        return await read(self._almanac.client, f"{self._service.url}/v1/events/summary")

    async def _calls(self) -> Counter[str]:
        every = [await aws_calls(self._almanac.client, self._url[name]) for name in SERVICES]
        return sum(every, Counter())


def _event(user_id: UUID, due: Due) -> Event:
    target = datetime.fromtimestamp(due.at, UTC)
    return Event(
        id=due.id,
        target=target,
        schedule_id=None,
        user_id=user_id,
        event_type=TYPES[due.priority],
        occurrence=due.id.hex,
        priority=due.priority,
        timezone="UTC",
        grace_until=target + GRACE,
        expires_at=target + GRACE,
        payload={"message": "Hey, Ada Lovelace it's your birthday"},
        tags=("vip",),
        email="ada.lovelace@example.org",
        phone=None,
        traceparent=None,
    )


def due(at: float, priority: Priority) -> Due:
    """One event, due at a time in Unix seconds."""
    return Due(uuid7(), at, priority)


async def run_arrivals(coming_from: Coming, sink: Sink, data: Path, timeout: float) -> DueResult:
    """Bring everything up on fresh data, let come due what `coming_from` gives for a start, and take it down.

    Raises PipelineError if an event is lost or repeated; StartupError if the stack does not come up.
    """

    async def work(stack: Stack, almanac: Almanac) -> DueResult:
        return await Arrivals(sink, stack, almanac).measure(coming_from(time.time()), timeout)

    return await Stack(settings(), data / "stack", say).run(work, fresh=True)


def show(title: str, result: DueResult) -> None:
    """Print what a run took."""
    events = result.all.count
    report(
        f"{title}: {events} events",
        ("seconds from target to sink", "events", "p50", "p95", "p99", "worst"),
        [
            *((each.name, s.count, s.p50, s.p95, s.p99, s.worst) for each, s in result.lateness.items()),
            ("all", result.all.count, result.all.p50, result.all.p95, result.all.p99, result.all.worst),
        ],
    )
    ours = sum(result.cpu[name] for name in SERVICES)
    report(
        f"CPU in {result.completed:.1f} s",
        ("process", "CPU s", "CPU ms/event", "cores"),
        (
            (name, cpu, 1000 * cpu / events, cpu / result.completed)
            for name, cpu in [*result.cpu.items(), ("the four services", ours)]
        ),
    )
    print(f"AWS calls: {result.calls.total()}, {result.calls.total() / events:.2f} an event")
