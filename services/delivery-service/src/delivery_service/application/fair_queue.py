"""The order in which endpoints get free slots: max-min fair over slots, then over time (ADR 25)."""

import heapq
from uuid import UUID

_COMPACT_AT = 64
"""Stale entries are dropped once they exceed the endpoints by this number."""


class FairQueue:
    """Endpoints with something to send, by the fewest attempts in flight, then by the least time of slots used.

    So each endpoint gets the same number of slots at a time, however long its attempts take. An endpoint that answers
    in 10 ms is not held to the pace of those that take a second, as it would be if they were served in turn.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, UUID]] = []
        self._entries: dict[UUID, int] = {}
        self._last = 0

    def put(self, endpoint_id: UUID, under_way: int, used_seconds: float) -> None:
        """Add an endpoint, or move it to where it belongs now."""
        self._last += 1
        self._entries[endpoint_id] = self._last
        heapq.heappush(self._heap, (under_way, used_seconds, self._last, endpoint_id))
        if len(self._heap) > 2 * len(self._entries) + _COMPACT_AT:
            self._heap = [each for each in self._heap if self._entries.get(each[3]) == each[2]]
            heapq.heapify(self._heap)

    def discard(self, endpoint_id: UUID) -> None:
        """Remove an endpoint, if it is there."""
        self._entries.pop(endpoint_id, None)

    def take(self, below: int) -> UUID | None:
        """Remove and return the first endpoint if it has fewer than ``below`` attempts in flight."""
        while self._heap:
            under_way, _, entry, endpoint_id = self._heap[0]
            if self._entries.get(endpoint_id) != entry:
                heapq.heappop(self._heap)
            elif under_way >= below:
                return None
            else:
                heapq.heappop(self._heap)
                del self._entries[endpoint_id]
                return endpoint_id
        return None
