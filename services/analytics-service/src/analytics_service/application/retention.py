"""Deletes rows past their retention."""

from analytics_service.adapters import retention
from analytics_service.domain.grains import Grain
from chassis.database.database import Database
from chassis.database.leases import Lease

PAUSE_SECONDS = 60.0


class RetentionSweep:
    """A step of a :class:`chassis.core.lifecycle.Loop`; one process at a time deletes."""

    def __init__(self, database: Database, *, rollup_days: dict[Grain, int], timeline_days: int) -> None:
        self._database = database
        self._lease = Lease(database, "retention", seconds=PAUSE_SECONDS * 3)
        self._rollup_days = rollup_days
        self._timeline_days = timeline_days

    async def step(self) -> float:
        """One round. Returns the seconds until the next."""
        more = await self._lease.held() and await retention.sweep(
            self._database, rollup_days=self._rollup_days, timeline_days=self._timeline_days
        )
        return 0.0 if more else PAUSE_SECONDS
