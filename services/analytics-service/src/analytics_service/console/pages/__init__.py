"""The pages, one module each, in the order of the navigation."""

from analytics_service.console.page import Page
from analytics_service.console.pages import dead_letter, dead_letters, endpoint, endpoints, now

PAGES: tuple[Page, ...] = (now.PAGE, endpoints.PAGE, endpoint.PAGE, dead_letters.PAGE, dead_letter.PAGE)
