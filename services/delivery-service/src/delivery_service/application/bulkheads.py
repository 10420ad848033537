"""Slots shared between endpoints, so that those that hang hold none of those that answer (ADR 25).

A socket that waits for an answer costs tens of kilobytes and no CPU, so waiting attempts are counted apart, in a large
budget of *slow slots*. A *slot* is held for half a second at most: an attempt that takes longer moves to a slow slot,
and its endpoint with it.

- QUICK endpoints ended their last attempt within half a second. They share the slots. Each may have as many
  attempts in flight as slots are free, so a single busy one has half of them, two a third each.
- NEW endpoints were not heard from yet. They use slow slots: the first attempt any, further ones, up to ten, while
  half of the slow slots are free.
- SLOW endpoints took longer. They leave a quarter of the slow slots to NEW ones. Each has an adaptive limit: the
  attempts in flight when it became slow, one more for each answer, half for each timeout; from 1 to half of the slots.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic
from uuid import UUID

from delivery_service.adapters.claims import Capacity
from delivery_service.application.fair_queue import FairQueue
from delivery_service.application.lanes import Endpoint, Lane, Pace, Slot, T

SLOW_SECONDS = 0.5
"""How long an attempt may hold a slot. Most receivers answer sooner in 99 of 100 attempts."""
NEW_ATTEMPTS = 10
"""Attempts at a time at an endpoint that was not heard from yet; never more than half of the slots."""
SLOW_SLOT_BYTES = 16 * 1024
"""A slow slot stands for so much payload; an attempt with more takes several, so that memory is bounded too."""
REMEMBERED = 10_000
"""Endpoints whose pace is kept after their last delivery has left the pool."""


class Bulkheads(Generic[T]):
    """The deliveries of a pool, by endpoint: in flight, or waiting for a slot.

    Args:
        slots: attempts at a time at endpoints that answer within half a second.
        slow_slots: attempts at a time at all others. Up to ``slots`` more while endpoints turn slow.
    """

    def __init__(self, slots: int, slow_slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._new_attempts = min(NEW_ATTEMPTS, max(1, slots // 2))
        self._slow_slots = slow_slots
        self._slow_free = slow_slots
        self._lanes: dict[UUID, Lane[T]] = {}
        self._endpoints: OrderedDict[UUID, Endpoint] = OrderedDict()
        self._queues = {pace: FairQueue() for pace in Pace}
        self._quick: set[UUID] = set()
        self._begun: deque[Slot] = deque()
        self._waiting_weight = 0
        self._used_seconds = 0.0

    @property
    def waiting_for_slot(self) -> int:
        """How many wait at quick endpoints without an attempt in flight: for a slot, and not for their own endpoint."""
        lanes = (self._lanes[endpoint_id] for endpoint_id in self._quick)
        return sum(len(lane.waiting) for lane in lanes if lane.in_flight == 0)

    @property
    def waiting(self) -> list[UUID]:
        """The endpoints of which something waits."""
        return [endpoint_id for endpoint_id, lane in self._lanes.items() if lane.waiting]

    @property
    def slow_slots_used(self) -> int:
        """Slow slots that are held."""
        return self._slow_slots - self._slow_free

    def add(
        self,
        endpoint_id: UUID,
        item: T,
        *,
        version: int = 1,
        cap: int | None = None,
        size: int = 0,
        failing: bool = False,
    ) -> None:
        """Add ``item`` to the pool.

        Args:
            version: of the endpoint; another one than before is a new endpoint.
            cap: attempts that the endpoint itself allows at a time.
            size: bytes of the payload.
            failing: the endpoint's last attempt failed, as far as the database knows.
        """
        known = self._endpoints.get(endpoint_id)
        if known is None or known.version != version:
            known = self._endpoints[endpoint_id] = Endpoint(version, Pace.SLOW if failing else Pace.NEW)
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = Lane(cap)
            # An endpoint that was idle has saved no time for later.
            known.used_seconds = max(known.used_seconds, self._used_seconds)
        lane.cap = cap
        weight = 1 + size // SLOW_SLOT_BYTES
        lane.waiting.append((weight, item))
        self._waiting_weight += weight
        self._requeue(endpoint_id, lane)

    def set_cap(self, endpoint_id: UUID, cap: int | None) -> None:
        """Change the concurrency of an endpoint that has deliveries in the pool."""
        lane = self._lanes.get(endpoint_id)
        if lane is not None and lane.cap != cap:
            lane.cap = cap
            self._requeue(endpoint_id, lane)

    def next(self) -> tuple[Slot, T] | None:
        """Return something that may be sent now; it holds the slot until :meth:`ended`."""
        for pace, below in (
            (Pace.QUICK, self._free),
            (Pace.NEW, self._new_limit),
            (Pace.SLOW, self._slow_free - self._reserve),
        ):
            endpoint_id = self._queues[pace].take(below)
            if endpoint_id is not None:
                return self._begin(endpoint_id, pace is Pace.QUICK)
        return None

    def ended(self, slot: Slot, *, answered: bool | None) -> None:
        """Give back the slot of an attempt, and learn from it.

        ``answered``: False after a timeout, None where no attempt was made.
        """
        slot.ended = True
        seconds = time.monotonic() - slot.began
        if slot.quick:
            self._free += 1
        else:
            self._slow_free += slot.weight
        lane, known = self._lanes[slot.endpoint_id], self._endpoints[slot.endpoint_id]
        lane.in_flight -= 1
        lane.overdue -= slot.overdue
        known.used_seconds += seconds
        if answered is not None and known.version == slot.version:
            self._learn(known, lane, seconds, answered)
        self._requeue(slot.endpoint_id, lane)

    def move_overdue(self) -> float | None:
        """Move attempts that have lasted half a second to slow slots. Return the seconds until the next may have to."""
        now = time.monotonic()
        while self._begun:
            slot = self._begun[0]
            if slot.ended:
                self._begun.popleft()
            elif slot.began + SLOW_SECONDS > now:
                return slot.began + SLOW_SECONDS - now
            elif slot.quick and self._slow_free <= -self._slots:
                # There are no more slow slots at all, so it keeps its slot.
                return SLOW_SECONDS
            else:
                self._begun.popleft()
                self._move(slot)
        return None

    def room(self, endpoint_id: UUID) -> int:
        """Return how many more deliveries of an endpoint are worth claiming.

        Of a quick endpoint, as many waiting as may be in flight; of any other no more than can begin.
        """
        lane, known = self._lanes.get(endpoint_id), self._endpoints.get(endpoint_id)
        if lane is not None and known is not None:
            return self._room(lane, known)
        return self._default_room if known is None else self._idle_room(known)

    def capacity(self, endpoint_ids: Iterable[UUID] | None = None) -> Capacity:
        """Return the room of these endpoints alone, or of all."""
        if endpoint_ids is not None:
            return Capacity({endpoint_id: self.room(endpoint_id) for endpoint_id in endpoint_ids}, 0)
        default = self._default_room
        rooms = {
            endpoint_id: self._room(lane, self._endpoints[endpoint_id]) for endpoint_id, lane in self._lanes.items()
        }
        if self._waiting_is_full:
            # Endpoints that answer do not need the slow slots; those that are slow leave some to new ones.
            idle = (each for each, known in self._endpoints.items() if known.pace is not Pace.NEW and each not in rooms)
            rooms |= {endpoint_id: self._idle_room(self._endpoints[endpoint_id]) for endpoint_id in idle}
        return Capacity(rooms, default)

    def needs_refill(self, endpoint_id: UUID) -> bool:
        """Whether half of an endpoint's deliveries in the pool are done, so that it is time to claim more."""
        if endpoint_id in self._quick:
            lane = self._lanes[endpoint_id]
            return lane.held <= self._share(lane)
        return self.room(endpoint_id) > 0

    def take_waiting(self, endpoint_ids: Iterable[UUID] | None = None) -> list[T]:
        """Remove and return the waiting deliveries of these endpoints, or of all."""
        taken: list[T] = []
        for endpoint_id in list(self._lanes) if endpoint_ids is None else endpoint_ids:
            lane = self._lanes.get(endpoint_id)
            if lane is not None and lane.waiting:
                taken.extend(item for _, item in lane.waiting)
                self._waiting_weight -= sum(weight for weight, _ in lane.waiting)
                lane.waiting.clear()
                self._requeue(endpoint_id, lane)
        return taken

    def _begin(self, endpoint_id: UUID, quick: bool) -> tuple[Slot, T]:
        lane, known = self._lanes[endpoint_id], self._endpoints[endpoint_id]
        weight, item = lane.waiting.popleft()
        slot = Slot(endpoint_id, known.version, time.monotonic(), quick, weight)
        self._waiting_weight -= weight
        self._used_seconds = known.used_seconds
        lane.in_flight += 1
        if quick:
            self._free -= 1
        else:
            self._slow_free -= weight
        self._begun.append(slot)
        self._requeue(endpoint_id, lane)
        return slot, item

    def _move(self, slot: Slot) -> None:
        lane, known = self._lanes[slot.endpoint_id], self._endpoints[slot.endpoint_id]
        if slot.quick:
            slot.quick = False
            self._free += 1
            self._slow_free -= slot.weight
        slot.overdue = True
        lane.overdue += 1
        if known.version == slot.version and known.pace is not Pace.SLOW:
            known.pace, known.limit = Pace.SLOW, lane.in_flight
        self._requeue(slot.endpoint_id, lane)

    def _learn(self, known: Endpoint, lane: Lane[T], seconds: float, answered: bool) -> None:
        if seconds < SLOW_SECONDS and not lane.overdue:
            # A refused connection, too: whatever fails at once holds nothing up.
            known.pace = Pace.QUICK
        elif answered:
            known.pace, known.limit = Pace.SLOW, min(max(1, self._slots // 2), known.limit + 1)
        else:
            known.pace, known.limit = Pace.SLOW, max(1, known.limit // 2)

    def _requeue(self, endpoint_id: UUID, lane: Lane[T]) -> None:
        known = self._endpoints[endpoint_id]
        may_begin = bool(lane.waiting) and lane.in_flight < self._limit(lane, known)
        for pace, queue in self._queues.items():
            if may_begin and pace is known.pace:
                queue.put(endpoint_id, lane.in_flight, known.used_seconds)
            else:
                queue.discard(endpoint_id)
        if not lane.held:
            del self._lanes[endpoint_id]
            self._remember(endpoint_id)
            self._quick.discard(endpoint_id)
        elif known.pace is Pace.QUICK:
            self._quick.add(endpoint_id)
        else:
            self._quick.discard(endpoint_id)

    def _remember(self, endpoint_id: UUID) -> None:
        self._endpoints.move_to_end(endpoint_id)
        while len(self._endpoints) > REMEMBERED + len(self._lanes):
            oldest = next(iter(self._endpoints))
            if oldest in self._lanes:
                self._endpoints.move_to_end(oldest)
            else:
                del self._endpoints[oldest]

    @property
    def _reserve(self) -> int:
        """Slow slots that are left to new endpoints."""
        return self._slow_slots // 4

    @property
    def _new_limit(self) -> int:
        if self._slow_free <= 0:
            return 0
        return self._new_attempts if self._slow_free > self._slow_slots // 2 else 1

    @property
    def _waiting_is_full(self) -> bool:
        return self._waiting_weight >= self._slow_slots // 2

    @property
    def _default_room(self) -> int:
        """How many attempts an endpoint without results and without attempts in progress may have.

        Deliveries that wait for other endpoints do not delay its first attempt.
        """
        if self._waiting_is_full:
            return 1 if self._slow_free > 0 else 0
        return max(1, self._new_limit)

    def _idle_room(self, known: Endpoint) -> int:
        """How many attempts an endpoint without attempts in progress may have."""
        if known.pace is Pace.QUICK:
            return 2 * self._share(None)
        if known.pace is Pace.SLOW and self._waiting_is_full:
            return 1 if self._slow_free > self._reserve else 0
        return self._default_room

    def _room(self, lane: Lane[T], known: Endpoint) -> int:
        held = lane.in_flight + len(lane.waiting)
        if known.pace is Pace.QUICK:
            return max(0, 2 * self._share(lane) - held)
        limit = self._limit(lane, known)
        if held >= limit:
            return 0
        below = self._new_limit if known.pace is Pace.NEW else max(1, self._slow_free - self._reserve)
        return max(0, min(limit, below) - held)

    def _limit(self, lane: Lane[T], known: Endpoint) -> int:
        if known.pace is Pace.SLOW:
            limit = known.limit
        else:
            limit = self._slots if known.pace is Pace.QUICK else self._new_attempts
        return limit if lane.cap is None else min(limit, lane.cap)

    def _share(self, lane: Lane[T] | None) -> int:
        """Slots for a quick endpoint, if all quick ones in the pool are equally busy."""
        share = max(1, self._slots // (len(self._quick) + (1 if lane else 2)))
        return share if lane is None or lane.cap is None else min(share, lane.cap)
