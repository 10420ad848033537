"""Monthly partitions of ``events``, made ahead of the events' clock."""

from datetime import datetime, timedelta

from sqlalchemy import text

from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction

BEHIND = timedelta(days=31)
AHEAD = timedelta(days=31 * 14)
"""A yearly event is at most a year and a leap day away; a month more leaves time to make the next partition."""

_COVER = text("SELECT cover_events(CAST(:first AS timestamptz), CAST(:last AS timestamptz))")


async def cover(tx: Transaction, first: datetime, last: datetime) -> None:
    """Make sure that every month from ``first`` to ``last`` has its partition."""
    await tx.execute(_COVER, {"first": first, "last": last})


class Partitions:
    """Knows which months this process has seen covered, so that the next check is free."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._covered: tuple[datetime, datetime] | None = None

    async def cover(self) -> None:
        """Make sure that every month an event may now be scheduled in has its partition."""
        now = self._clock.now()
        if self._covered is not None and self._covered[0] <= now <= self._covered[1]:
            return
        async with self._database.transaction() as tx:
            await tx.execute(_COVER, {"first": now - BEHIND, "last": now + AHEAD})
        self._covered = (now - BEHIND / 2, now + timedelta(days=14))

    async def step(self) -> float:
        """For a loop: the months ahead, in time even for a clock that runs fast."""
        await self.cover()
        return 60.0
