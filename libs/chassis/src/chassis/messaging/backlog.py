"""Exports the depth of a queue and the age of its oldest message (docs/architecture.md#traces-metrics-logs)."""

import time
from collections.abc import Callable

from opentelemetry import metrics

from chassis.messaging.bus import Bus
from contracts.topology import Queue

EVERY_SECONDS = 30.0
_age = metrics.get_meter("almanac.bus").create_gauge(
    "almanac_queue_age", unit="s", description="The oldest message that waits is not older; the least of all processes"
)


class Backlog:
    """A step of a loop that measures one queue.

    ``reached`` gives how far this process has come with it (:mod:`chassis.messaging.queue_progress`), None before the
    first receive.
    """

    def __init__(self, bus: Bus, queue: Queue, reached: Callable[[], float | None]) -> None:
        self._bus = bus
        self._queue = queue.name
        self._reached = reached
        self._begun = time.time()

    async def step(self) -> float:
        """Raises one of ``BUS_ERRORS``."""
        waiting = await self._bus.depth(self._queue)
        reached = self._reached()
        since = self._begun if reached is None else reached
        _age.set(max(0.0, time.time() - since) if waiting else 0.0, {"queue": self._queue})
        return EVERY_SECONDS
