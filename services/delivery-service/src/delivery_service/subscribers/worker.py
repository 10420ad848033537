"""The role that works on one priority: from its queue to recorded deliveries, and down again without loss."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from chassis.core.lifecycle import Role
from delivery_service.application.pool import DeliveryPool

RELEASE_SECONDS = 3.0
"""What is kept of the grace period to give back attempts that did not end."""


class Worker:
    """Runs the roles that feed a pool, then drains it.

    Args:
        parts: consumer, claimer and whatever else must have stopped before the pool is drained.
        close: closes what the pool sends with.
        grace_seconds: how long after the signal the process may take.
    """

    def __init__(
        self,
        pool: DeliveryPool,
        parts: Sequence[Role],
        *,
        close: Callable[[], Awaitable[None]],
        grace_seconds: float,
    ) -> None:
        self.name = f"worker-{pool.priority.name.lower()}"
        self._pool = pool
        self._parts = parts
        self._close = close
        self._grace = grace_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts:
                    group.create_task(part.run(stopping), name=part.name)
                await stopping.wait()
                deadline = time.monotonic() + self._grace - RELEASE_SECONDS
                self._pool.close()
            await self._pool.drain(deadline - time.monotonic())
        finally:
            await self._close()
