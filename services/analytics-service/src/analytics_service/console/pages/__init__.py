"""The pages, one module each, in the order of the navigation."""

from analytics_service.console.page import Page
from analytics_service.console.pages import (
    ahead,
    alerts,
    business,
    cost,
    dead_letter,
    dead_letters,
    endpoint,
    endpoints,
    event,
    events,
    now,
)

PAGES: tuple[Page, ...] = (
    now.PAGE,
    ahead.PAGE,
    events.PAGE,
    event.PAGE,
    endpoints.PAGE,
    endpoint.PAGE,
    dead_letters.PAGE,
    dead_letter.PAGE,
    business.PAGE,
    cost.PAGE,
    alerts.PAGE,
)
