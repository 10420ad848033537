"""What many tabs show and one process asks for: each source is polled on its own, while a page shows it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Generic, TypeVar

import structlog

from almanac_client import Almanac, AlmanacError, ApiError
from chassis.core.lifecycle import first_of
from contracts.http.alerts import Alert
from contracts.http.analytics import CountSeries, Overview
from contracts.http.events import Forecast, Passages
from contracts.http.model import ListPage
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, Meter, ServiceStatus, ServiceUsage

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The newest answer, when it came (monotonic seconds), and why there is no newer one."""

    value: T | None = None
    at: float | None = None
    error: str | None = None

    def age_seconds(self, now: float | None = None) -> float | None:
        """How old the value is; None where there is none yet."""
        return None if self.at is None else (time.monotonic() if now is None else now) - self.at


class Poller(Generic[T]):
    """One question, asked every so often while it is watched. Its slowness holds up nothing but itself."""

    def __init__(
        self, name: str, ask: Callable[[], Awaitable[T]], *, every_seconds: float, timeout_seconds: float = 4.0
    ) -> None:
        self.name = name
        self.every_seconds = every_seconds
        self._ask = ask
        self._timeout = timeout_seconds
        self._watchers = 0
        self._watched = asyncio.Event()
        self.reading: Reading[T] = Reading()

    def watch(self) -> None:
        """A page begins to show it."""
        self._watchers += 1
        self._watched.set()

    def unwatch(self) -> None:
        """A page stops showing it; no page: it is no longer asked."""
        self._watchers = max(0, self._watchers - 1)
        if self._watchers == 0:
            self._watched.clear()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll while a page shows it, until stopped."""
        while not stopping.is_set():
            if not self._watched.is_set():
                await first_of(self._watched.wait(), stopping.wait())
                continue
            await self.refresh()
            await first_of(stopping.wait(), timeout=self.every_seconds)

    async def refresh(self) -> Reading[T]:
        """Ask once, now. A failure keeps the last value, and says why it is old."""
        try:
            async with asyncio.timeout(self._timeout):
                value = await self._ask()
        except TimeoutError:
            self._failed(f"no answer within {self._timeout:g} s")
        except AlmanacError as error:
            self._failed(_reason(error))
        except Exception as error:  # an answer that cannot be read: shown in place of its value, and logged
            self._failed("the answer cannot be read")
            log.exception("feed failed", feed=self.name, error=repr(error))
        else:
            self.reading = Reading(value, time.monotonic())
        return self.reading

    def _failed(self, reason: str) -> None:
        self.reading = Reading(self.reading.value, self.reading.at, reason)


def _reason(error: AlmanacError) -> str:
    if isinstance(error, ApiError) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"{error.service} refused the console's key"
    return error.sentence()


ON_THE_WAY: Mapping[str, Sequence[str]] = {
    "event-service": ("scheduler", "consumer", "relay"),
    "delivery-service": ("worker", "relay"),
}
"""Of each service the roles without which no event gets through."""

_LOOK_BACK = timedelta(minutes=10)
_SILENT = timedelta(minutes=3)
"""Each process adds its time once a minute: a process that has not reported for this long has ended."""


@dataclass(frozen=True)
class Processes:
    """How many there were on average of a service's role, in this hour."""

    service: str
    role: str
    number: float


def processes_of(service: str, usage: ServiceUsage) -> Sequence[Processes]:
    """Of the roles on the way. A process with several counts for each; one that works on a single queue is a worker."""
    times = [each for each in usage.items if each.meter is Meter.PROCESS_SECONDS]
    newest = max((each.last_at for each in times), default=None)
    numbers: defaultdict[str, float] = defaultdict(float)
    for each in times:
        seconds = (each.last_at - each.first_at).total_seconds()
        if newest is None or newest - each.last_at > _SILENT or seconds <= 0:
            continue
        for role in {name.partition("-")[0] for name in each.resource.split()}:
            numbers[role] += each.amount / seconds
    return [Processes(service, role, numbers[role]) for role in ON_THE_WAY[service]] if numbers else []


async def running_processes(almanac: Almanac) -> Sequence[Processes]:
    """Ask the services that an event passes through. Raises AlmanacError."""
    services = almanac.events, almanac.deliveries
    since = datetime.now(UTC) - _LOOK_BACK
    found = await asyncio.gather(*(service.usage(since) for service in services))
    return [
        each for service, usage in zip(services, found, strict=True) for each in processes_of(service.service, usage)
    ]


WEEK_HOURS = 7 * 24
RECENT_MINUTES = 5
MOST_ALERTS = 100
DAY_MINUTES = 24 * 60


class DataSources:
    """One feed for each question, asked with the console's own key, which only reads."""

    def __init__(self, almanac: Almanac, *, each_per_second: float) -> None:
        self.each_per_second = each_per_second
        """What one process of each role together was measured to do, in events."""
        events, analytics, deliveries = almanac.events, almanac.analytics, almanac.deliveries
        self.events: Poller[EventServiceStatus] = Poller("event-service", events.status, every_seconds=1.5)
        self.deliveries: Poller[DeliveryServiceStatus] = Poller(
            "delivery-service", deliveries.status, every_seconds=1.5
        )
        self.analytics: Poller[ServiceStatus] = Poller("analytics-service", analytics.status, every_seconds=3)
        self.users: Poller[ServiceStatus] = Poller("user-service", almanac.users.status, every_seconds=3)
        self.alerts: Poller[ListPage[Alert]] = Poller(
            "alerts", lambda: almanac.alerts.page(limit=MOST_ALERTS), every_seconds=3
        )
        self.overview: Poller[Overview] = Poller(
            "overview", lambda: analytics.overview(minutes=RECENT_MINUTES), every_seconds=2
        )
        self.minutes: Poller[CountSeries] = Poller(
            "minutes", lambda: analytics.counts("minute", "completed", "failed", by="priority"), every_seconds=5
        )
        self.passages: Poller[Passages] = Poller("passages", events.passages, every_seconds=20)
        self.week: Poller[Forecast] = Poller("forecast", lambda: events.forecast(hours=WEEK_HOURS), every_seconds=15)
        self.day: Poller[Overview] = Poller("day", lambda: analytics.overview(minutes=DAY_MINUTES), every_seconds=60)

        async def minutes_of_a_day() -> CountSeries:
            # By the services' own clock, which need not be that of this process.
            now = (await analytics.overview(minutes=1)).until
            return await analytics.counts("minute", "completed", since=now - timedelta(days=1))

        self.processes: Poller[Sequence[Processes]] = Poller(
            "processes", lambda: running_processes(almanac), every_seconds=30
        )
        self.pace: Poller[CountSeries] = Poller("pace", minutes_of_a_day, every_seconds=60)

    def __iter__(self) -> Iterator[Poller[object]]:
        return (feed for feed in vars(self).values() if isinstance(feed, Poller))
