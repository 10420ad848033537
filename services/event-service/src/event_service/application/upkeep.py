"""Upkeep of the events' tables, by one process at a time: old months go, and the planner knows the hot ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.leases import Lease
from event_service.adapters import months
from event_service.adapters.months import Month

log = structlog.get_logger(__name__)

HOT = timedelta(days=31)
"""How far from now a month is still, or already, in use: the one before this, this, and the next."""
EVERY_SECONDS = 60.0
"""Of real time: a clock in time-lapse passes months in minutes."""


def hot_months(there: Sequence[Month], now: datetime) -> list[Month]:
    """Those that claims and outcomes are at work in."""
    return [each for each in there if each.attached and each.first <= now + HOT and each.end > now - HOT]


class Upkeep:
    """A step of a loop. Safe in many processes: one holds the lease, and each part bears being done twice.

    Args:
        retention: how long a month of events is kept after its end.
    """

    def __init__(self, database: Database, clock: Clock, *, retention: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self._lease = Lease(database, "events-upkeep", seconds=3 * EVERY_SECONDS)

    async def step(self) -> float:
        if await self._lease.held():
            there = await months.find_months(self._database)
            for month in there:
                await self._retire(month)
            for name in await months.not_analyzed(self._database, hot_months(there, self._clock.now())):
                await months.analyze(self._database, name)
                log.info("analyzed", table=name)
        return EVERY_SECONDS

    async def _retire(self, month: Month) -> None:
        past = month.end + self._retention <= self._clock.now()
        if not past and month.attached and not month.leaving:
            return
        if not past:
            await months.restore(self._database, month)
            log.warning("month restored", month=month.name)
        elif await months.retire(self._database, month):
            log.info("month dropped", month=month.name)
        else:
            log.warning("month kept past its retention: events in it are alive", month=month.name)
