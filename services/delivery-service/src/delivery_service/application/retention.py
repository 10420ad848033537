"""Deletes finished events past their retention, in batches, in one process at a time."""

from chassis.database.database import Database
from chassis.database.leases import Lease
from delivery_service.adapters import dead_letters, retention

BATCH = 1_000
PAUSE_SECONDS = 60.0


class Retention:
    """A step of a :class:`chassis.core.lifecycle.Loop`."""

    def __init__(self, database: Database, *, days: float, dead_letter_days: float) -> None:
        self._database = database
        self._seconds = days * 86_400
        self._dead_letter_seconds = dead_letter_days * 86_400
        self._lease = Lease(database, "retention", seconds=PAUSE_SECONDS * 3)

    async def step(self) -> float:
        """Delete one batch. Returns the seconds until the next, few while there may be more."""
        if not await self._lease.held():
            return PAUSE_SECONDS
        async with self._database.transaction() as tx:
            letters = await dead_letters.sweep(tx, self._dead_letter_seconds, BATCH)
            events = await retention.sweep(tx, self._seconds, BATCH)
        return 0.1 if BATCH in (letters, events) else PAUSE_SECONDS
