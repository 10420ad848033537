"""The pages, one module each, in the order of the navigation."""

from analytics_service.console.page import Page
from analytics_service.console.pages import now

PAGES: tuple[Page, ...] = (now.PAGE,)
