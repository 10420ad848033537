"""*Events*: search by user, type, status and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from nicegui import ui

from analytics_service.console.components import Region, html, nothing, panel, table
from analytics_service.console.markup import link, tag
from analytics_service.console.page import Page, Visit
from analytics_service.console.views.events import COLUMNS, event_rows, search_form, wanted
from contracts.http.events import Event
from contracts.http.model import ListPage

PATH = "/events"
LIMIT = 50


@dataclass(frozen=True)
class Found:
    """A page of events, and the users with the address that was searched for."""

    page: ListPage[Event]
    users: Sequence[str] = ()


async def build(visit: Visit) -> None:
    with panel("Search"):
        html(search_form(PATH, visit.query))
    if event := visit.query.get("event", "").strip():
        _lead_to(event)
        return
    results = Region()

    async def search() -> Found:
        asked = wanted(visit.query)
        user = asked.pop("user", None)
        namesakes: Sequence[str] = ()
        if user and "@" in user:
            namesakes = [str(each.id) for each in (await visit.almanac.users.page(email=user)).items]
            if not namesakes:
                return Found(ListPage[Event](items=()))
            user = namesakes[0]
        events = visit.almanac.events
        page = await events.page(**asked, user_id=user, cursor=visit.query.get("cursor") or None, limit=LIMIT)
        return Found(page, namesakes)

    await results.fill(search, lambda found: _show(found, visit.query))


def _lead_to(event: str) -> None:
    """To the event itself; its id is the ``webhook-id`` that receivers know it by."""
    try:
        address = f"{PATH}/{UUID(event)}"
    except ValueError:
        html(nothing("No event has such an id.", "It is a UUID, as 8e1f0d2c-5b0a-8c3e-9a2b-1c2d3e4f5a6b."))
        return
    html(tag("p", link("To this event", address)))
    ui.navigate.to(address)


def _show(found: Found, query: Mapping[str, str]) -> None:
    page = found.page
    if len(found.users) > 1:
        others = (tag("li", link(user, f"{PATH}?{urlencode({'user': user})}", class_="mono")) for user in found.users)
        html(tag("p", f"{len(found.users)} users have this address. Shown are the events of the first:"))
        html(tag("ul", others))
    with panel("Events", f"Latest target first, {LIMIT} at a time." if page.items else None):
        if not page.items:
            html(nothing("No event is like that.", "Ask for less: fewer filters, or a longer time."))
            return
        html(table("Events found", COLUMNS, event_rows(page.items), stacked=True)).classes("table-frame").props(
            'tabindex="0" role="region" aria-label="Events found"'
        )
        more = []
        if query.get("cursor"):
            first = {name: value for name, value in query.items() if name != "cursor" and value}
            more.append(link("Latest", f"{PATH}?{urlencode(first)}", class_="button"))
        if page.next_cursor:
            earlier = {**{name: value for name, value in query.items() if value}, "cursor": page.next_cursor}
            more.append(link("Earlier", f"{PATH}?{urlencode(earlier)}", class_="button", rel="next"))
        if more:
            with ui.element("nav").props('aria-label="More events"'):
                html(tag("div", more, class_="actions paging"))


PAGE = Page(PATH, "Events", build, icon="events")
