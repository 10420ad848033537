"""When a pool looks for what is due, and where: everywhere, or at endpoints that have room again (ADR 25)."""

import asyncio
import time
from collections.abc import Iterable
from uuid import UUID

import structlog

from chassis.database.database import Database, Transaction
from contracts.vocabulary import Priority
from delivery_service.adapters import claims
from delivery_service.adapters.claims import Capacity, Claimed
from delivery_service.application import delivery_metrics
from delivery_service.application.bulkheads import Bulkheads
from delivery_service.domain.deliveries import Dispatch, Lease

log = structlog.get_logger(__name__)

MIN_CLAIM_SECONDS = 0.005
CLAIM_SECONDS = 1.0
"""The longest time between two looks everywhere: bounds how late it is seen what another process left due."""
REST = 4
"""A search of all endpoints is followed by this multiple of its own duration without one. It passes over each endpoint
with something pending, so with thousands of them it takes tens of milliseconds of PostgreSQL's time."""
CLAIMED = 500
"""Deliveries claimed at a time, at most; fewer where there are few slots."""
EXPIRY_SECONDS = 5.0
"""How often waiting deliveries are searched for expired ones."""
EXPIRED = 200
"""Expired deliveries taken at a time, at most."""


class Claimer:
    """Claims for one pool, and knows which endpoints have something waiting in the database.

    ``wake`` is set when there is a reason to look sooner than was meant.
    """

    def __init__(
        self,
        priority: Priority,
        database: Database,
        connections: asyncio.Semaphore,
        bulkheads: Bulkheads[Dispatch],
        *,
        slots: int,
        lease_seconds: float,
    ) -> None:
        self.wake = asyncio.Event()
        self._priority = priority
        self._database = database
        self._connections = connections
        self._bulkheads = bulkheads
        self._limit = min(CLAIMED, 4 * slots)
        self._lease_seconds = lease_seconds
        self._waiting: set[UUID] = set()
        self._came: set[UUID] = set()
        self._refill: set[UUID] = set()
        self._look_at = 0.0
        self._rest_until = 0.0
        self._look_for_expired_at = 0.0

    def capacity(self) -> Capacity:
        """Return the capacity for new deliveries: deliveries that wait for an endpoint go before new ones."""
        capacity = self._bulkheads.capacity()
        return Capacity({**capacity.of, **dict.fromkeys(self._waiting, 0)}, capacity.default)

    def add_waiting(self, endpoint_ids: Iterable[UUID]) -> None:
        """Note that deliveries for these endpoints were left in the database, to be claimed once there is room."""
        endpoint_ids = set(endpoint_ids)
        self._waiting |= endpoint_ids
        self._came |= endpoint_ids
        self.refill(endpoint_ids)

    def refill(self, endpoint_ids: Iterable[UUID]) -> None:
        """Claim for those of these endpoints that something waits for and that have room."""
        for endpoint_id in endpoint_ids:
            if endpoint_id in self._waiting and self._bulkheads.needs_refill(endpoint_id):
                self._refill.add(endpoint_id)
                self.wake.set()

    def look_in(self, seconds: float) -> None:
        """Search all endpoints in this many seconds, or sooner if that was already planned."""
        self._look_at = max(self._rest_until, min(self._look_at, time.monotonic() + seconds))
        self.wake.set()

    async def claim(self) -> tuple[list[Dispatch], float]:
        """Claim what is due. Returns it, and the seconds until there is something to do again unless woken."""
        refill, self._refill = self._refill, set()
        if time.monotonic() >= self._look_at:
            return await self._look()
        dispatches = await self._claim_of(refill) if refill else []
        return dispatches, max(0.0, self._look_at - time.monotonic())

    async def _claim_of(self, endpoint_ids: set[UUID]) -> list[Dispatch]:
        self._came = set()
        async with self._connections:
            lease = Lease.begin(self._lease_seconds)
            capacity = self._bulkheads.capacity(endpoint_ids)
            async with self._database.transaction() as tx:
                claimed = await claims.claim(tx, self._priority, self._limit, lease, capacity, endpoint_ids)
        self._report(claimed)
        if len(claimed.dispatches) == self._limit:
            self._refill |= endpoint_ids
            self.wake.set()
            return claimed.dispatches
        # Where less came than there was room for, no more is due. What a rate limit or a circuit held back is found by
        # the next look everywhere.
        drained = {each for each in endpoint_ids if claimed.by_endpoint.get(each, 0) < capacity.of[each]}
        self._waiting -= drained - self._came
        return claimed.dispatches

    async def _look(self) -> tuple[list[Dispatch], float]:
        # Whatever goes wrong, there is a next look.
        self._look_at = time.monotonic() + CLAIM_SECONDS
        self._came = set()
        async with self._connections:
            started = time.monotonic()
            lease = Lease.begin(self._lease_seconds)
            async with self._database.transaction() as tx:
                capacity = self._bulkheads.capacity()
                claimed = await claims.claim(tx, self._priority, self._limit, lease, capacity)
                queues = await claims.queues(tx, self._priority)
                waiting = {each.endpoint_id for each in queues if each.due_in <= 0}
                expired = await self._find_expired(tx, waiting, lease)
            ended = time.monotonic()
        self._rest_until = ended + min(CLAIM_SECONDS, REST * (ended - started))
        self._report(claimed)
        # What came meanwhile may not have been seen.
        self._waiting = waiting | self._came
        if len(claimed.dispatches) == self._limit:
            self._look_at = self._rest_until = ended
        else:
            # Deliveries that are due now and not held by their endpoint wait for a free place here, which wakes the
            # claimer.
            delays = (each.due_in if each.due_in > 0 else each.open_in or 0.0 for each in queues)
            delay = min([CLAIM_SECONDS, *(max(each, MIN_CLAIM_SECONDS) for each in delays if each > 0)])
            self._look_at = max(self._rest_until, min(self._look_at, ended + delay))
        return [*claimed.dispatches, *expired], max(0.0, self._look_at - time.monotonic())

    async def _find_expired(self, tx: Transaction, waiting: set[UUID], lease: Lease) -> list[Dispatch]:
        now = time.monotonic()
        if not waiting or now < self._look_for_expired_at:
            return []
        self._look_for_expired_at = now + EXPIRY_SECONDS
        return await claims.expired(tx, self._priority, waiting, EXPIRED, lease)

    def _report(self, claimed: Claimed) -> None:
        if claimed.abandoned:
            delivery_metrics.claimed_again(self._priority, claimed.abandoned)
            log.warning("leases expired; claimed again", priority=self._priority.name, deliveries=claimed.abandoned)
        if claimed.abandoned_again:
            delivery_metrics.claimed_after_two_leases(self._priority, len(claimed.abandoned_again))
            log.error(
                "two leases in a row expired without a recorded attempt",
                priority=self._priority.name,
                delivery_ids=[str(each) for each in claimed.abandoned_again[:10]],
            )
