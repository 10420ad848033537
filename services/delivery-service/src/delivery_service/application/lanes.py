"""Slots shared between endpoints, so that none takes all of them (design §5, "bulkhead").

An endpoint may be sent to as long as it has fewer attempts under way than there are slots free. So one that hangs alone
holds half of them, two hold a third each, and there is always one left for the next. Its own cap may be lower.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    cap: int | None
    waiting: deque[T] = field(default_factory=deque)
    sending: int = 0

    @property
    def in_hand(self) -> int:
        return self.sending + len(self.waiting)


class Lanes(Generic[T]):
    """What is in hand, by endpoint: under way, or waiting for a slot. Those that wait are served in turn."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = slots
        self._lanes: dict[UUID, _Lane[T]] = {}
        self._turns: deque[UUID] = deque()

    @property
    def starving(self) -> int:
        """How many wait at endpoints that nothing is under way to: for a slot, and not for their own endpoint."""
        return sum(len(lane.waiting) for lane in self._lanes.values() if lane.sending == 0)

    @property
    def waiting(self) -> list[UUID]:
        """The endpoints of which something waits."""
        return list(self._turns)

    def add(self, endpoint_id: UUID, cap: int | None, item: T) -> None:
        lane = self._lanes.setdefault(endpoint_id, _Lane(cap))
        lane.cap = cap
        if not lane.waiting:
            self._turns.append(endpoint_id)
        lane.waiting.append(item)

    def limit(self, endpoint_id: UUID, cap: int | None) -> None:
        """Change the cap of an endpoint of which something is in hand."""
        if (lane := self._lanes.get(endpoint_id)) is not None:
            lane.cap = cap

    def next(self) -> T | None:
        """Something that may be sent now; it holds a slot until :meth:`ended`."""
        for _ in range(len(self._turns)):
            endpoint_id = self._turns.popleft()
            lane = self._lanes[endpoint_id]
            if lane.sending < self._free and (lane.cap is None or lane.sending < lane.cap):
                item = lane.waiting.popleft()
                lane.sending += 1
                self._free -= 1
                if lane.waiting:
                    self._turns.append(endpoint_id)
                return item
            self._turns.append(endpoint_id)
        return None

    def ended(self, endpoint_id: UUID) -> None:
        """Give the slot of an attempt back."""
        lane = self._lanes[endpoint_id]
        lane.sending -= 1
        self._free += 1
        if not lane.in_hand:
            del self._lanes[endpoint_id]

    def room(self, endpoint_id: UUID) -> int:
        """How many more of an endpoint are worth having in hand: as many waiting as may be under way."""
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            return self.default_room
        return max(0, self._bound(lane.cap, len(self._lanes)) - lane.in_hand)

    @property
    def default_room(self) -> int:
        """The room of an endpoint of which nothing is in hand."""
        return self._bound(None, len(self._lanes) + 1)

    def rooms(self) -> dict[UUID, int]:
        """The room of each endpoint of which something is in hand."""
        return {endpoint_id: self.room(endpoint_id) for endpoint_id in self._lanes}

    def hungry(self, endpoint_id: UUID) -> bool:
        """Whether half of what may be in hand of an endpoint is done, so that it is time to fetch more."""
        lane = self._lanes.get(endpoint_id)
        return lane is None or 2 * lane.in_hand <= self._bound(lane.cap, len(self._lanes))

    def take_waiting(self, endpoint_ids: Iterable[UUID] | None = None) -> list[T]:
        """Remove what waits at these endpoints, or at all."""
        taken: list[T] = []
        for endpoint_id in list(self._lanes) if endpoint_ids is None else endpoint_ids:
            lane = self._lanes.get(endpoint_id)
            if lane is not None and lane.waiting:
                taken.extend(lane.waiting)
                lane.waiting.clear()
                self._turns.remove(endpoint_id)
                if not lane.sending:
                    del self._lanes[endpoint_id]
        return taken

    def _bound(self, cap: int | None, lanes: int) -> int:
        share = max(1, self._slots // (lanes + 1))
        return 2 * (share if cap is None else min(share, cap))
