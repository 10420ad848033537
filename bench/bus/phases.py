"""The measured phases: publish only, drain only, and everything at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.bus.calls import Calls
from bench.bus.route import BATCH, PRIORITIES, Route, batches
from bench.measure import CpuMeter

LONG_POLL_SECONDS = 1


@dataclass(slots=True)
class Cost:
    """What a phase moved and took: messages, calls, wall seconds, CPU seconds of the emulator and of the client."""

    messages: int = 0
    calls: int = 0
    seconds: float = 0
    emulator: float = 0
    client: float = 0

    @property
    def messages_per_second(self) -> float:
        """Messages moved a second."""
        return self.messages / self.seconds

    @property
    def row(self) -> tuple[float, float, float, float]:
        """Calls/s, messages/s, emulator and client milliseconds of CPU for each message."""
        return (
            self.calls / self.seconds,
            self.messages_per_second,
            1000 * self.emulator / self.messages,
            1000 * self.client / self.messages,
        )


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases over one client's `calls`, one `route` and one emulator."""

    calls: Calls
    route: Route
    emulator_pid: int

    async def publish(self, messages: int, in_flight: int, priorities: Sequence[str] = PRIORITIES) -> Cost:
        """Publish `messages` messages in batches of ten, `in_flight` calls at once."""
        pending = iter(batches(messages, priorities))
        cost = Cost()

        async def publisher() -> None:
            for entries in pending:
                await self.calls.publish(self.route.topic_arn, entries)
                cost.calls += 1
                cost.messages += len(entries)

        async with self._metered(cost):
            await asyncio.gather(*(publisher() for _ in range(in_flight)))
        return cost

    async def drain(self, queues: Sequence[str], messages: int, receivers: int, cost: Cost) -> None:
        """Receive and delete at least `messages` more (or until empty), `receivers` a queue, adding to `cost`."""
        goal = cost.messages + messages

        async def receiver(queue: str) -> None:
            while cost.messages < goal:
                handles = await self.calls.receive(queue, 0)
                cost.calls += 1
                if not handles:
                    return
                await self._delete(queue, handles, cost)

        async with self._metered(cost):
            await asyncio.gather(*(receiver(queue) for queue in queues for _ in range(receivers)))

    async def drain_at(self, depth: int, messages: int, receivers: int) -> Cost:
        """Receive and delete about `messages` from one queue that is filled up to `depth` again and again, untimed."""
        cost = Cost()
        queue, waiting = self.route.queues[0], 0
        while cost.messages < messages:
            missing = (depth - waiting) // BATCH * BATCH
            await self.publish(missing, 8, PRIORITIES[:1])
            before = cost.messages
            await self.drain([queue], min(depth, messages, 500), receivers, cost)
            waiting += missing - (cost.messages - before)
        await self.drain([queue], waiting, receivers, Cost())
        return cost

    async def through(self, messages: int, waiting: int, in_flight: int, receivers: int) -> Cost:
        """Publish, receive and delete at once, with about `waiting` messages at most on the queues together."""
        pending = iter(batches(messages))
        cost, published = Cost(), 0
        room, done = asyncio.Event(), asyncio.Event()

        async def publisher() -> None:
            nonlocal published
            for entries in pending:
                while published - cost.messages >= waiting:
                    room.clear()
                    await room.wait()
                published += len(entries)
                await self.calls.publish(self.route.topic_arn, entries)
                cost.calls += 1

        async def receiver(queue: str) -> None:
            while not done.is_set():
                handles = await self.calls.receive(queue, LONG_POLL_SECONDS)
                cost.calls += 1
                if handles:
                    await self._delete(queue, handles, cost)
                    room.set()
                if cost.messages >= messages:
                    done.set()

        # Receivers are never cancelled: the emulator continues an abandoned poll, and hides what it finds for the
        # visibility timeout. They end when their last poll comes back, which is not measured.
        async with asyncio.TaskGroup() as group, self._metered(cost):
            for queue in self.route.queues:
                for _ in range(receivers):
                    group.create_task(receiver(queue))
            for _ in range(in_flight):
                group.create_task(publisher())
            await done.wait()
        return cost

    async def _delete(self, queue: str, handles: Sequence[str], cost: Cost) -> None:
        await self.calls.delete(queue, handles)
        cost.calls += 1
        cost.messages += len(handles)

    @asynccontextmanager
    async def _metered(self, cost: Cost) -> AsyncIterator[None]:
        meter = CpuMeter({"emulator": self.emulator_pid})
        cpu, clock = time.process_time(), time.perf_counter()
        yield
        cost.seconds += time.perf_counter() - clock
        cost.client += time.process_time() - cpu
        cost.emulator += meter.spent()["emulator"]
