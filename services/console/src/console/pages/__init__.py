"""The pages, one module per noun, in the order of the navigation."""

from console.page import Page
from console.pages import (
    ahead,
    alerts,
    business,
    cost,
    dead_letters,
    endpoint,
    endpoints,
    events,
    now,
)

PAGES: tuple[Page, ...] = (
    now.PAGE,
    ahead.PAGE,
    events.PAGE,
    events.EVENT_PAGE,
    endpoints.PAGE,
    endpoint.PAGE,
    dead_letters.PAGE,
    dead_letters.LETTER_PAGE,
    business.PAGE,
    cost.PAGE,
    alerts.PAGE,
)
