"""What is due, what is overdue and how bloated the indexes are, as gauges of the one process that measures them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.leases import Lease
from contracts.vocabulary import EventStatus, Priority
from event_service.adapters import figures, months
from event_service.adapters.figures import Waiting
from event_service.application.upkeep import hot_months
from event_service.domain.events import LATE_AFTER

EVERY_SECONDS = 5.0
BLOAT_EVERY = 60
"""Measurements of due events per measurement of the indexes, whose statistics change at most once a minute."""
HOURS = 24
"""How far back ended events are counted, including the current hour."""


class Figures:
    """A step of a loop. Processes without the lease export nothing, so that sums do not count an event twice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lease = Lease(database, "events-figures", seconds=3 * EVERY_SECONDS)
        self._steps = 0
        self._waiting: list[Waiting] = []
        self._live: dict[str, int] = {}
        self._ended: dict[datetime, dict[str, int]] = {}
        self._bloat: dict[str, float] = {}
        meter = metrics.get_meter("almanac.events")
        meter.create_observable_gauge(
            "almanac_events_due",
            [self.due],
            description=f"Events that wait and are due, by priority; {figures.COUNTED:,} means that or more",
        )
        meter.create_observable_gauge(
            "almanac_events_overdue",
            [self.overdue],
            description="Those of them that have been for a minute or longer, by priority",
        )
        meter.create_observable_gauge(
            "almanac_events_due_age",
            [self.oldest],
            unit="s",
            description="How long the first of those that are due has been, by priority; 0 where none is",
        )
        meter.create_observable_gauge(
            "almanac_events_live",
            [self.live],
            description=f"Events that are live, by status; PENDING from {figures.EXACTLY:,} on is an estimate",
        )
        meter.create_observable_gauge(
            "almanac_events_ended",
            [self.ended],
            description=f"Events that were due in the last {HOURS} hours and have ended, by status;"
            f" at most {figures.COUNTED:,} per hour and type",
        )
        meter.create_observable_gauge(
            "almanac_index_bloat",
            [self.bloat],
            description="Share of an index of the months in use that a new one would not need (estimated)",
        )

    async def step(self) -> float:
        if not await self._lease.held():
            self._waiting, self._live, self._ended, self._bloat, self._steps = [], {}, {}, {}, 0
            return EVERY_SECONDS
        self._waiting = await figures.count_waiting(self._database, late_after_seconds=LATE_AFTER.total_seconds())
        in_hand = await figures.count_in_hand(self._database)
        self._live = {
            EventStatus.PENDING.name: (await figures.count_pending(self._database)).count,
            EventStatus.PROCESSING.name: sum(each.claimed + each.published for each in in_hand),
        }
        await self._count_ended()
        if self._steps % BLOAT_EVERY == 0:
            hot = hot_months(await months.find_months(self._database), self._clock.now())
            self._bloat = await figures.estimate_bloat(self._database, [month.name for month in hot])
        self._steps += 1
        return EVERY_SECONDS

    async def _count_ended(self) -> None:
        # A day's events are not read every few seconds. What ends is mostly of the hour that runs, and the others take
        # turns: what is retried, redriven or missed in them is seen within two minutes.
        running = self._clock.now().replace(minute=0, second=0, microsecond=0)
        hours = [running - timedelta(hours=back) for back in range(HOURS)]
        again = {running, hours[self._steps % HOURS]}
        counts = await figures.count_ended(
            self._database, [hour for hour in hours if hour in again or hour not in self._ended]
        )
        known = self._ended | counts
        self._ended = {hour: known[hour] for hour in hours}

    def due(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        return [Observation(each.due, _of(each)) for each in self._waiting]

    def overdue(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        return [Observation(each.overdue, _of(each)) for each in self._waiting]

    def oldest(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        return [Observation(each.oldest_seconds or 0.0, _of(each)) for each in self._waiting]

    def live(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        return [Observation(count, {"status": status}) for status, count in self._live.items()]

    def ended(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        hours = self._ended.values()
        return [Observation(sum(hour[end] for hour in hours), {"status": end.name}) for end in figures.ENDS if hours]

    def bloat(self, _: CallbackOptions | None = None) -> Iterable[Observation]:
        return [Observation(share, {"index": index}) for index, share in self._bloat.items()]


def _of(waiting: Waiting) -> dict[str, str]:
    return {"priority": Priority(waiting.priority).name}
