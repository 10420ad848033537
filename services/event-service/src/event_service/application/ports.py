"""What the use cases need from outside: the bus of due events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from event_service.domain.events import Event, Published


class DueEventBus(Protocol):
    """Puts due events on the topics of their types, and knows how much room their queues have."""

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        """Publish, as of the claim's ``now``, and return the result of each, in order.

        No call starts after ``deadline`` (by ``time.monotonic()``), and one in progress is abandoned then.
        """

    async def room(self, priority: int) -> int:
        """How many more messages the priority's queue should get now. 0 or less: wait."""
