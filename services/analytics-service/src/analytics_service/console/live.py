"""The feeds that the pages show."""

from collections.abc import Iterator

from analytics_service.console.clients.analytics import Overview
from analytics_service.console.clients.events import Forecast, Summary
from analytics_service.console.clients.services import Services
from analytics_service.console.feeds import Feed

WEEK_HOURS = 7 * 24
RECENT_MINUTES = 5


class Live:
    """One feed for each question, asked with the console's own key, which only reads."""

    def __init__(self, services: Services) -> None:
        events, analytics = services.events, services.analytics
        self.overview: Feed[Overview] = Feed("overview", lambda: analytics.overview(RECENT_MINUTES), every_seconds=2)
        self.summary: Feed[Summary] = Feed("summary", events.summary, every_seconds=2)
        self.week: Feed[Forecast] = Feed("forecast", lambda: events.forecast(WEEK_HOURS), every_seconds=15)

    def __iter__(self) -> Iterator[Feed[object]]:
        return (feed for feed in vars(self).values() if isinstance(feed, Feed))
