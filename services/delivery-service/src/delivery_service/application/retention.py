"""Forgetting what ended long ago, a batch at a time, in one process of all."""

from chassis.database import Database
from chassis.leases import Lease
from delivery_service.adapters.retention import sweep

BATCH = 1_000
PAUSE_SECONDS = 60.0


class Retention:
    """A step of a :class:`chassis.lifecycle.Loop`."""

    def __init__(self, database: Database, *, days: float) -> None:
        self._database = database
        self._seconds = days * 86_400
        self._lease = Lease(database, "retention", seconds=PAUSE_SECONDS * 3)

    async def step(self) -> float:
        """Delete one batch. Returns the seconds until the next, few while there may be more."""
        if not await self._lease.held():
            return PAUSE_SECONDS
        async with self._database.transaction() as tx:
            deleted = await sweep(tx, self._seconds, BATCH)
        return 0.1 if deleted == BATCH else PAUSE_SECONDS
