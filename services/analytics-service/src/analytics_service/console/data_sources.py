"""The feeds that the pages show."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from analytics_service.console.clients.alerts import Alerts, AlertsClient
from analytics_service.console.clients.analytics import CountSeries, Overview
from analytics_service.console.clients.events import Forecast, Passages
from analytics_service.console.clients.processes import Processes, ProcessesClient
from analytics_service.console.clients.services import Services
from analytics_service.console.clients.status import DeliveryStatus, EventStatus, ServiceStatus
from analytics_service.console.poller import Poller

WEEK_HOURS = 7 * 24
RECENT_MINUTES = 5
DAY_MINUTES = 24 * 60


class DataSources:
    """One feed for each question, asked with the console's own key, which only reads."""

    def __init__(self, services: Services, *, each_per_second: float) -> None:
        self.each_per_second = each_per_second
        """What one process of each role together was measured to do, in events."""
        events, analytics, deliveries, users = services.events, services.analytics, services.deliveries, services.users
        self.events: Poller[EventStatus] = Poller("event-service", events.status, every_seconds=1.5)
        self.deliveries: Poller[DeliveryStatus] = Poller(
            "delivery-service", lambda: deliveries.get("/v1/status", DeliveryStatus), every_seconds=1.5
        )
        self.analytics: Poller[ServiceStatus] = Poller("analytics-service", analytics.status, every_seconds=3)
        self.users: Poller[ServiceStatus] = Poller(
            "user-service", lambda: users.get("/v1/status", ServiceStatus), every_seconds=3
        )
        self.alerts: Poller[Alerts] = Poller("alerts", AlertsClient(analytics.api).current, every_seconds=3)
        self.overview: Poller[Overview] = Poller(
            "overview", lambda: analytics.overview(RECENT_MINUTES), every_seconds=2
        )
        self.minutes: Poller[CountSeries] = Poller(
            "minutes", lambda: analytics.counts("minute", "completed", "failed", by="priority"), every_seconds=5
        )
        self.passages: Poller[Passages] = Poller("passages", events.passages, every_seconds=20)
        self.week: Poller[Forecast] = Poller("forecast", lambda: events.forecast(WEEK_HOURS), every_seconds=15)
        self.day: Poller[Overview] = Poller("day", lambda: analytics.overview(DAY_MINUTES), every_seconds=60)

        async def minutes_of_a_day() -> CountSeries:
            # By the services' own clock, which need not be that of this process.
            now = (await analytics.overview(1)).until
            return await analytics.counts("minute", "completed", since=now - timedelta(days=1))

        self.processes: Poller[Sequence[Processes]] = Poller(
            "processes", ProcessesClient((events.api, deliveries)).now, every_seconds=30
        )
        self.pace: Poller[CountSeries] = Poller("pace", minutes_of_a_day, every_seconds=60)

    def __iter__(self) -> Iterator[Poller[object]]:
        return (feed for feed in vars(self).values() if isinstance(feed, Poller))
