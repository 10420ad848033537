"""One run: the stack on fresh data, a frozen clock, N users born on one day, and what it takes to greet them all."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.measure import CpuMeter, Summary, peak_rss
from bench.pipeline.observation import PipelineError, aws_calls, read, until
from bench.pipeline.stacks import sampled
from bench.postgres import vacuum
from bench.sink import Sink, SinkStats
from chassis.database.clock import ClockMap
from local_stack import ports
from local_stack.api import Almanac
from local_stack.settings import StackSettings
from local_stack.stack import Stack

DATA = Path(".almanac/bench")
PORTS = tuple(name for name in StackSettings.model_fields if name.endswith("_port"))
SERVICES = ("user-service", "event-service", "delivery-service", "analytics-service")

DUE = datetime(2027, 3, 1, 9, tzinfo=UTC)
BORN = "1990-03-01"
# The schedulers look once a second while nothing is due, and by then must know when to wake.
LEAD = timedelta(seconds=2)
IMPORTS = 32
# After all is done: a webhook that was sent twice would come within this time.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency as analytics-service has it: percentiles in seconds, within 4.4%."""

    measure: str
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What a run took. Times are seconds from the due instant; CPU seconds and calls are those of the window.

    `delivered`: the sink had all; `completed`: all events were COMPLETED and the next year's PENDING; `counted`:
    analytics-service had counted all. `peak_mib` is since the processes started.
    """

    events: int
    lateness: Summary
    delivered: float
    completed: float
    counted: float
    cpu: Mapping[str, float]
    calls: Mapping[str, Counter[str]]
    peak_mib: Mapping[str, float]
    latencies: list[Latency]

    @property
    def seconds(self) -> float:
        """From the due instant until everything was done."""
        return max(self.completed, self.counted)

    @property
    def events_per_second(self) -> float:
        """Events through everything, a second."""
        return self.events / self.seconds


def say(line: str) -> None:
    """Progress goes to stderr."""
    print(line, file=sys.stderr, flush=True)


def settings() -> StackSettings:
    """Free ports, so that a running stack need not stop."""
    free: set[int] = set()
    while len(free) < len(PORTS):
        free.add(ports.free_port())
    return StackSettings.model_validate(dict(zip(PORTS, free, strict=True)))


async def run_pipeline(events: int, sink: Sink, profile: str | None = None, data: Path = DATA) -> PipelineResult:
    """Bring everything up, send `events` events through it, and take it down.

    `profile` names a service to sample into `profile_file`. Raises PipelineError if an event is lost or repeated, or
    something takes too long; StartupError if the stack does not come up.
    """
    stack = Stack(settings(), data / "stack", say)

    async def freeze(stack: Stack) -> None:
        await stack.set_clocks(ClockMap(datetime.now(UTC), DUE - LEAD, speed=0))

    async def work(stack: Stack, almanac: Almanac) -> PipelineResult:
        return await Run(events, sink, stack, almanac).measure(profile_file(profile, data) if profile else None)

    return await stack.run(work, before_services=freeze, fresh=True)


def profile_file(service: str, data: Path = DATA) -> Path:
    """Where the samples of a service are written; the next run overwrites them."""
    return data / "profiles" / f"{service}.folded"


class Run:
    """A run on a stack that is up, its clock frozen a little before the due instant."""

    def __init__(self, events: int, sink: Sink, stack: Stack, almanac: Almanac) -> None:
        self._events = events
        self._sink = sink
        self._stack = stack
        self._almanac = almanac
        self._url = {service.name: service.url for service in stack.services}
        # Far more than the slowest machine needs, so only what hangs meets it.
        self._timeout = 60 + 0.1 * events

    async def measure(self, profile: Path | None) -> PipelineResult:
        """Prepare, let the instant come, and watch."""
        await self._connect_sink()
        await self._create_users()
        await self._settled()
        sampling: AbstractAsyncContextManager[None] = nullcontext()
        if profile is not None:
            sampling = sampled(self._stack.supervisor.pid(profile.stem), profile)
        async with sampling:
            return await self._fire()

    async def _connect_sink(self) -> None:
        await self._almanac.send_all_to(self._sink.url)
        await self._sink.reset()

    async def _create_users(self) -> None:
        began, numbers = time.monotonic(), iter(range(self._events))

        async def create() -> None:
            for number in numbers:
                user = {
                    "firstName": "Ada", "lastName": f"Lovelace {number}", "dateOfBirth": BORN,
                    "timezone": "UTC", "deliveryTime": f"{DUE:%H:%M}",
                }  # fmt: skip
                await self._almanac.create_user(user, f"user-{number}")

        await asyncio.gather(*(create() for _ in range(IMPORTS)))
        say(f"{self._events} users created in {time.monotonic() - began:.1f} s")

    async def _settled(self) -> None:
        """All events scheduled, nothing left on the bus, and the tables as autovacuum would have them in time."""
        began = time.monotonic()
        await until(self._summary, {"pending": self._events, "processing": 0}, self._timeout)
        await until(self._totals, {"scheduled": self._events, "user_created": self._events}, self._timeout)
        for service in self._stack.services:
            await vacuum(self._stack.postgres.url(service.database))
        say(f"all scheduled, counted and vacuumed {time.monotonic() - began:.1f} s later")

    async def _fire(self) -> PipelineResult:
        pids = {name: self._stack.supervisor.pid(name) for name in (*SERVICES, "postgresql", "emulator")}
        called = await self._calls()
        anchor = datetime.now(UTC)
        await self._stack.set_clocks(ClockMap(anchor, DUE - LEAD, speed=1))
        due = (anchor + LEAD).timestamp()
        await asyncio.sleep(max(0, due - time.time()))
        cpu = CpuMeter({**pids, "sink": self._sink.pid})
        seen = await self._sink.wait_for(self._events, self._timeout)
        completed, counted = await asyncio.gather(
            until(self._summary, {"pending": self._events, "processing": 0}, self._timeout),
            until(self._totals, {"completed": self._events}, self._timeout),
        )
        spent, calls = cpu.spent(), await self._calls()
        await asyncio.sleep(SETTLE_SECONDS)
        receipts = await self._sink.receipts()
        check(self._events, await self._sink.stats())
        return PipelineResult(
            events=self._events,
            lateness=Summary.of([at - due for at in receipts.values()]),
            delivered=(seen.last_at or due) - due,
            completed=completed - due,
            counted=counted - due,
            cpu=spent,
            calls={name: calls[name] - called[name] for name in calls},
            peak_mib={name: peak_rss(pids[name]) / 2**20 for name in SERVICES},
            latencies=await self._latencies(),
        )

    async def _calls(self) -> dict[str, Counter[str]]:
        return {name: await aws_calls(self._almanac.client, self._url[name]) for name in SERVICES}

    async def _summary(self) -> dict[str, Any]:
        return await read(self._almanac.client, f"{self._url['event-service']}/v1/events/summary")

    async def _overview(self) -> dict[str, Any]:
        return await read(self._almanac.client, f"{self._url['analytics-service']}/v1/metrics/overview")

    async def _totals(self) -> dict[str, int]:
        totals: dict[str, int] = (await self._overview())["totals"]
        return totals

    async def _latencies(self) -> list[Latency]:
        return [
            Latency(each["measure"], each["p50"], each["p95"], each["p99"])
            for each in (await self._overview())["latencies"]
            if each["priority"] is None and each["count"]
        ]


def check(events: int, seen: SinkStats) -> None:
    """Raise PipelineError unless every event came once, and nothing else."""
    if seen.unique != events or seen.duplicates:
        raise PipelineError(
            f"{events} events were due, and the sink has {seen.unique} different webhooks"
            f" and {seen.duplicates} repeated ones"
        )
