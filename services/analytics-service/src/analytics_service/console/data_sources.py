"""The feeds that the pages show."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from almanac_client import Almanac
from analytics_service.console.poller import Poller
from analytics_service.console.processes import Processes, running_processes
from contracts.http.alerts import Alert
from contracts.http.analytics import CountSeries, Overview
from contracts.http.events import Forecast, Passages
from contracts.http.model import ListPage
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, ServiceStatus

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
