"""One priority's work: its own slots, its own connections, its own claims (design §5).

Everything that another priority could exhaust is counted here, so that LOW never delays CRITICAL.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import structlog

from chassis.batching import Batcher
from chassis.database import Database, is_outage
from chassis.outbox import Outbox
from contracts.vocabulary import Priority
from delivery_service.adapters import claims
from delivery_service.application import measures, sending
from delivery_service.application.intake import take_in
from delivery_service.application.recording import record, release
from delivery_service.application.sending import Sender
from delivery_service.domain.deliveries import Arrival, Dispatch, Lease, Reason, Result, hindered
from delivery_service.domain.retries import RetryPolicy

log = structlog.get_logger(__name__)

CLAIM_SECONDS = 1.0
"""The longest sleep of the claimer: bounds how late it sees what another process left due."""
RECORD_SECONDS = 10.0
"""What is left of a lease after the longest attempt, to record its result."""
BATCH = 200
"""Results recorded in one transaction at most."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """``slots``: POSTs at a time. ``connections``: database transactions at a time, of the process's pool."""

    slots: int
    connections: int
    lease_seconds: float


class Origin(Enum):
    """Where a delivery came from. Each has its own bound of what is in hand, so that neither starves the other."""

    QUEUE = "queue"
    CLAIM = "claim"


class DeliveryPool:
    """Takes deliveries in hand, sends them, records the results.

    ``wake`` is set when the claimer has a reason to look sooner than it meant to.
    """

    def __init__(
        self,
        priority: Priority,
        *,
        database: Database,
        outbox: Outbox,
        sender: Sender,
        policy: RetryPolicy,
        limits: PoolLimits,
    ) -> None:
        self.priority = priority
        self.wake = asyncio.Event()
        self._database = database
        self._outbox = outbox
        self._sender = sender
        self._policy = policy
        self._limits = limits
        self._connections = asyncio.Semaphore(limits.connections)
        self._results: Batcher[Result, None] = Batcher(self._record, max_size=BATCH)
        self._releases: Batcher[Dispatch, None] = Batcher(self._release, max_size=BATCH)
        self._queued: deque[tuple[Origin, Dispatch]] = deque()
        self._working: dict[asyncio.Task[None], tuple[Origin, Dispatch]] = {}
        self._sending = 0
        self._in_hand = dict.fromkeys(Origin, 0)
        self._room = asyncio.Event()
        self._room.set()
        self._more_due = False
        self._closed = False

    async def wait_for_room(self) -> None:
        """Return once a further due event would not wait long here: until then it is better left to other workers."""
        await self._room.wait()

    async def take_in(self, arrivals: Sequence[Arrival]) -> None:
        """Store due events durably and begin to deliver them. When it returns, their messages can be deleted."""
        async with self._connections:
            lease = Lease.begin(self._limits.lease_seconds)
            taken = await take_in(self._database, self._outbox, arrivals, lease)
        self._accept(Origin.QUEUE, taken.dispatches)
        if taken.reopened:
            self.wake.set()
        measures.taken_in(self.priority, arrivals, taken.unwanted)

    async def claim(self) -> float:
        """Take due retries and expired leases in hand. Returns the seconds until it is worth looking again."""
        # Twice the slots: half of them are refilled while the other half is being sent.
        free = 2 * self._limits.slots - self._in_hand[Origin.CLAIM]
        self._more_due = free <= 0
        if self._more_due or self._closed:
            return CLAIM_SECONDS
        async with self._connections:
            lease = Lease.begin(self._limits.lease_seconds)
            async with self._database.transaction() as tx:
                claimed = await claims.claim(tx, self.priority, free, lease)
                self._more_due = len(claimed.dispatches) == free
                next_due = None if self._more_due else await claims.next_due(tx, self.priority)
        if claimed.abandoned:
            measures.claimed_again(self.priority, claimed.abandoned)
            log.warning("leases expired; claimed again", priority=self.priority.name, deliveries=claimed.abandoned)
        self._accept(Origin.CLAIM, claimed.dispatches)
        return CLAIM_SECONDS if next_due is None else min(CLAIM_SECONDS, max(next_due, 0.001))

    def close(self) -> None:
        """Begin no further attempt."""
        self._closed = True

    async def drain(self, seconds: float) -> None:
        """Let attempts under way end for up to ``seconds``, then give back all that is left."""
        self.close()
        left = [dispatch for _, dispatch in self._queued]
        self._queued.clear()
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=max(seconds, 0.0))
            left += [self._working[task][1] for task in late]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if left:
            log.info("releasing deliveries", priority=self.priority.name, deliveries=len(left))
            await self._release(left)

    def _accept(self, origin: Origin, dispatches: Sequence[Dispatch]) -> None:
        self._queued.extend((origin, dispatch) for dispatch in dispatches)
        self._count(origin, len(dispatches))
        self._fill_slots()

    def _fill_slots(self) -> None:
        while self._queued and self._sending < self._limits.slots and not self._closed:
            origin, dispatch = self._queued.popleft()
            self._sending += 1
            task = asyncio.create_task(self._deliver(dispatch))
            self._working[task] = origin, dispatch
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        origin, _ = self._working.pop(task)
        self._count(origin, -1)

    def _count(self, origin: Origin, change: int) -> None:
        self._in_hand[origin] += change
        measures.in_hand(self.priority, change)
        if self._in_hand[Origin.QUEUE] < self._limits.slots:
            self._room.set()
        else:
            self._room.clear()
        if self._more_due and self._in_hand[Origin.CLAIM] <= self._limits.slots:
            self.wake.set()

    async def _deliver(self, dispatch: Dispatch) -> None:
        try:
            try:
                result = await self._attempt(dispatch)
            finally:
                # Recording needs no slot: the next POST goes out meanwhile.
                self._sending -= 1
                self._fill_slots()
            if result is None:
                await self._releases.submit(dispatch)
            else:
                await self._results.submit(result)
        except Exception:
            # The row is leased: whatever went wrong here, its lease ends and it is claimed again.
            log.exception("delivery left to the end of its lease", delivery_id=str(dispatch.delivery_id))

    async def _attempt(self, dispatch: Dispatch) -> Result | None:
        if isinstance(dispatch.target, Reason):
            return hindered(dispatch, dispatch.target)
        if time.monotonic() + dispatch.target.timeout_seconds + RECORD_SECONDS > dispatch.lease.until:
            # It waited too long for a slot: begun now, it could outlive its lease and be sent twice.
            return None
        return await sending.attempt(self._sender, dispatch, dispatch.target, self._policy)

    async def _record(self, results: Sequence[Result]) -> Sequence[None]:
        while True:
            try:
                async with self._connections:
                    batch = await record(self._database, self._outbox, results)
                break
            except Exception as error:
                if is_outage(error):
                    log.warning("results wait for the database", results=len(results), error=repr(error))
                    await self._database.wait_available()
                    continue
                if len(results) == 1:
                    raise
                # One of them may be the only one at fault: alone, it cannot hold up the others.
                log.warning("batch of results failed; one by one", results=len(results), error=repr(error))
                for result in results:
                    await self._record_alone(result)
                return [None] * len(results)
        measures.recorded(self.priority, results, batch)
        if any(each.retry_in is not None and each.retry_in < CLAIM_SECONDS for each in results):
            self.wake.set()
        return [None] * len(results)

    async def _record_alone(self, result: Result) -> None:
        try:
            await self._record([result])
        except Exception:
            log.exception("result lost; its lease will end", delivery_id=str(result.dispatch.delivery_id))

    async def _release(self, dispatches: Sequence[Dispatch]) -> Sequence[None]:
        try:
            async with self._connections:
                await release(self._database, dispatches)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("not released; their leases will end", deliveries=len(dispatches), error=repr(error))
        return [None] * len(dispatches)
