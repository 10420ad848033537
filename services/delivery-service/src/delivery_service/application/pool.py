"""One priority's work: its own slots, its own connections, its own claims (docs/architecture.md#delivery).

Everything that another priority could exhaust is counted here, so that LOW never delays CRITICAL.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from chassis.database.clock import Clock
from chassis.database.database import Database, is_outage
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import FailureReason, Priority
from delivery_service.adapters import endpoints
from delivery_service.adapters.circuits import Counted
from delivery_service.application import delivery_metrics, sending
from delivery_service.application.attempter import Attempter
from delivery_service.application.bulkheads import Bulkheads
from delivery_service.application.claimer import CLAIM_SECONDS, Claimer
from delivery_service.application.endpoint_watch import WATCH_SECONDS, EndpointWatch
from delivery_service.application.ingest import ingest_events
from delivery_service.application.lanes import Slot
from delivery_service.application.ports import Sender
from delivery_service.application.recording import DEFAULT_CIRCUITS
from delivery_service.application.result_recorder import ResultRecorder
from delivery_service.domain.attempts import TIMEOUTS
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.deliveries import (
    Dispatch,
    Lease,
    ReceivedEvent,
    Result,
    Target,
)
from delivery_service.domain.retries import RetryPolicy

log = structlog.get_logger(__name__)

MIN_MOVE_SECONDS = 0.05
"""Between two looks for attempts that have become slow."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """``slots``: attempts at a time at endpoints that answer soon, ``slow_slots`` at all others (``bulkheads``).

    ``connections``: database transactions at a time, of the process's pool.
    """

    slots: int
    connections: int
    lease_seconds: float
    slow_slots: int = 2_000

    @property
    def sockets(self) -> int:
        """Attempts at a time, at most: endpoints that turn slow may use as many more as there are slots."""
        return 2 * self.slots + self.slow_slots


class DeliveryPool:
    """Holds deliveries, sends them, records the results.

    ``wake`` is set when the claimer has a reason to look sooner than it meant to.
    """

    def __init__(
        self,
        priority: Priority,
        *,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        sender: Sender,
        policy: RetryPolicy,
        limits: PoolLimits,
        circuits: CircuitPolicy = DEFAULT_CIRCUITS,
    ) -> None:
        self.priority = priority
        self._database = database
        self._outbox = outbox
        self._policy = policy
        self._limits = limits
        self._connections = asyncio.Semaphore(limits.connections)
        self._recorder = ResultRecorder(
            priority,
            database,
            outbox,
            self._connections,
            policy=policy,
            circuits=circuits,
            then=self._after_recording,
        )
        self._bulkheads: Bulkheads[Dispatch] = Bulkheads(limits.slots, limits.slow_slots)
        self._claimer = Claimer(
            priority,
            database,
            self._connections,
            self._bulkheads,
            slots=limits.slots,
            lease_seconds=limits.lease_seconds,
        )
        self.wake = self._claimer.wake
        self._working: dict[asyncio.Task[None], Dispatch] = {}
        self._watch = EndpointWatch(self._find_changed)
        self._attempter = Attempter(sender, database, self._watch, policy=policy, clock=clock)
        self._slow_slots_used = 0
        self._mover: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    async def wait_for_room(self) -> None:
        """Return once a further due event would not wait long here: until then it is better left to other workers."""
        await self._room.wait()

    async def ingest(self, arrivals: Sequence[ReceivedEvent]) -> None:
        """Store due events durably and begin to deliver them. When it returns, their messages can be deleted."""
        async with self._connections:
            lease = Lease.begin(self._limits.lease_seconds)
            capacity = self._claimer.capacity()
            taken = await ingest_events(self._database, self._outbox, arrivals, lease, capacity)
        self._accept(taken.dispatches)
        self._claimer.add_waiting(taken.waiting)
        if taken.reopened:
            self._claimer.look_in(0)
        delivery_metrics.ingested(self.priority, arrivals, taken.unwanted)

    async def claim(self) -> float:
        """Claim due deliveries, as many as their endpoints can accept. Returns the seconds until the next look."""
        if self._closed or not self._has_room():
            return CLAIM_SECONDS
        dispatches, seconds = await self._claimer.claim()
        self._accept(dispatches)
        return seconds

    async def watch_endpoints(self) -> float:
        """Compare the endpoints of deliveries that wait for a slot with the database. Returns the seconds until the
        next look.

        Deliveries to an endpoint that was disabled or deleted meanwhile end at once, without waiting for their slots.
        """
        if waiting := self._bulkheads.waiting:
            self._watch.keep_only(set(waiting))
            await self._watch.refresh()
            for endpoint_id in self._bulkheads.waiting:
                match self._watch.known(endpoint_id):
                    case FailureReason() as reason:
                        for dispatch in self._bulkheads.take_waiting([endpoint_id]):
                            self._begin(replace(dispatch, target=reason), None)
                    case Target(concurrency=cap):
                        self._bulkheads.set_cap(endpoint_id, cap)
            self._fill_slots()
        return WATCH_SECONDS

    def close(self) -> None:
        """Begin no further attempt."""
        self._closed = True

    async def drain(self, seconds: float) -> None:
        """Let attempts in progress finish for up to ``seconds``, then release the rest."""
        self.close()
        left = self._bulkheads.take_waiting()
        delivery_metrics.held(self.priority, -len(left))
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=max(seconds, 0.0))
            left += [self._working[task] for task in late]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._mover is not None:
            self._mover.cancel()
        if left:
            log.info("releasing deliveries", priority=self.priority.name, deliveries=len(left))
            await self._recorder.release_all(left)

    def _accept(self, dispatches: Sequence[Dispatch]) -> None:
        delivery_metrics.held(self.priority, len(dispatches))
        for dispatch in dispatches:
            target = dispatch.target
            if isinstance(target, FailureReason):
                # It needs no slot: nothing is sent.
                self._begin(dispatch, None)
            else:
                self._watch.note(target, dispatch.lease.begun_at)
                self._bulkheads.add(
                    target.endpoint_id,
                    dispatch,
                    version=target.version,
                    cap=target.concurrency,
                    size=len(dispatch.due),
                    failing=dispatch.failing,
                )
        self._fill_slots()

    def _fill_slots(self) -> None:
        while not self._closed and (begun := self._bulkheads.next()) is not None:
            slot, dispatch = begun
            self._begin(dispatch, slot)
        if self._mover is None:
            self._move_slow()
        if self._has_room():
            self._room.set()
        else:
            self._room.clear()

    def _has_room(self) -> bool:
        # Deliveries that wait for their own endpoint block no others; those that wait for a slot are better left to
        # other workers.
        return self._bulkheads.waiting_for_slot < self._limits.slots

    def _begin(self, dispatch: Dispatch, slot: Slot | None) -> None:
        task = asyncio.create_task(self._deliver(dispatch, slot))
        self._working[task] = dispatch
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.pop(task)
        delivery_metrics.held(self.priority, -1)

    def _move_slow(self) -> None:
        """Give the slots of attempts that take long to others; repeats itself while attempts are in flight."""
        seconds = self._bulkheads.move_overdue()
        used = self._bulkheads.slow_slots_used
        if used != self._slow_slots_used:
            delivery_metrics.slow_slots_used(self.priority, used - self._slow_slots_used)
            self._slow_slots_used = used
        self._mover = None
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._mover = loop.call_later(max(seconds, MIN_MOVE_SECONDS), self._moved)

    def _moved(self) -> None:
        self._move_slow()
        self._fill_slots()

    def _ended(self, slot: Slot, answered: bool | None) -> None:
        self._bulkheads.ended(slot, answered=answered)
        if not self._room.is_set():
            self.wake.set()
        self._claimer.refill([slot.endpoint_id])
        # Recording needs no slot: the next POST goes out meanwhile.
        self._fill_slots()

    async def _deliver(self, dispatch: Dispatch, slot: Slot | None) -> None:
        answered: bool | None = None
        try:
            try:
                result = await self._attempter.attempt(dispatch)
                if result is not None and result.attempt is not None:
                    answered = result.attempt.fault not in TIMEOUTS
            except Exception as error:
                # Without the database nothing was sent, and no attempt is used up.
                result = None if is_outage(error) else sending.failed(dispatch, error, self._policy)
            finally:
                if slot is not None:
                    self._ended(slot, answered)
            if result is None:
                await self._recorder.release(dispatch)
            else:
                await self._recorder.record(result)
        except Exception:
            # The row is leased: whatever went wrong here, its lease ends and it is claimed again.
            log.exception("delivery left to the end of its lease", delivery_id=str(dispatch.delivery_id))

    async def _find_changed(self, versions: Mapping[UUID, int]) -> Mapping[UUID, Target | FailureReason]:
        async with self._connections, self._database.read() as connection:
            return await endpoints.changed(connection, versions)

    async def _after_recording(self, results: Sequence[Result], degraded: Sequence[Counted]) -> None:
        if shut := [each.endpoint_id for each in degraded if each.closed_to_all]:
            await self._give_back(shut)
        self._claimer.refill(each.endpoint_id for each in degraded if not each.closed_to_all)
        retries = [each.retry_in for each in results if each.retry_in is not None and each.retry_in < CLAIM_SECONDS]
        if any(each.disabled or each.tally.attempts == 0 for each in degraded):
            # Deliveries that wait for a disabled endpoint are to be ended. A returned probe lets the next one out.
            retries.append(0.0)
        if retries:
            self._claimer.look_in(min(retries))

    async def _give_back(self, endpoint_ids: Sequence[UUID]) -> None:
        """Deliveries for endpoints with open circuits are released, to wait for their probes."""
        waiting = self._bulkheads.take_waiting(endpoint_ids)
        if waiting:
            delivery_metrics.held(self.priority, -len(waiting))
            await self._recorder.release_all(waiting)
            self._claimer.add_waiting(endpoint_ids)
