"""*Events*: search by user, type, status and time; one event with its timeline and its actions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from nicegui import ui

from console.components import Changing, Region, button, html, nothing, panel, row, table
from console.dialogs import ask, confirm
from console.markup import facts, link, tag
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from console.views.events import (
    COLUMNS,
    MAY_CANCEL,
    MAY_RESCHEDULE,
    MAY_RETRY,
    event_facts,
    event_rows,
    history_rows,
    local_input,
    search_form,
    wanted,
)
from console.views.waterfall import waterfall_markup
from contracts.http.analytics import Timeline
from contracts.http.events import Event, EventDetail
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


REFRESH_SECONDS = 5.0


async def build_event(visit: Visit) -> None:
    try:
        event_id = UUID(visit.parameters["event_id"])
    except ValueError:
        html(nothing("There is no such event.", "Its id in the address is not one."))
        return
    one = _OneEvent(visit, event_id)
    await one.show()


class _OneEvent:
    """What the page is made of. The event and its timeline are refreshed every few seconds, each on its own."""

    def __init__(self, visit: Visit, event_id: UUID) -> None:
        self._visit = visit
        self._id = event_id
        almanac = visit.almanac
        self._event = RefreshingPanel(lambda: almanac.events.get(event_id), every_seconds=REFRESH_SECONDS)
        with self._event.body:
            self._known = Changing(self._show_event)
        with panel("Timeline", "From its target on; everything in UTC."):
            self._timeline = RefreshingPanel(
                lambda: almanac.analytics.timeline(event_id), every_seconds=REFRESH_SECONDS
            )
            with self._timeline.body:
                self._waterfall = html().classes("table-frame")
                self._waterfall.props('tabindex="0" role="region" aria-label="Timeline"')

    async def show(self) -> None:
        await self._event.begin(self._known.show)
        await self._timeline.begin(self._show_timeline)

    def _show_event(self, event: EventDetail) -> None:
        with row("columns"):
            with panel("Event"):
                html(facts(event_facts(event)))
                if self._visit.may_act:
                    self._show_actions(event)
            with panel("History"):
                html(table("History", ["At (UTC)", "Status", "Cause"], history_rows(event), empty="Nothing yet."))

    def _show_actions(self, event: EventDetail) -> None:
        with ui.element("div").classes("actions").props('role="group" aria-label="Actions"'):
            if event.status in MAY_RETRY:
                button("Retry", self._retry, kind="primary")
            if event.status in MAY_RESCHEDULE:
                button("Reschedule", lambda: self._reschedule(event))
            if event.status in MAY_CANCEL:
                button("Cancel event", self._cancel, kind="danger")

    def _show_timeline(self, timeline: Timeline) -> None:
        shown = waterfall_markup(timeline) if timeline.spans else nothing("Nothing has happened yet.")
        self._waterfall.set_content(str(shown))

    async def _cancel(self) -> None:
        text = "It will not be sent. A recurring schedule continues with its next occurrence."
        if await confirm("Cancel this event?", text, "Cancel event", danger=True):
            await self._act(
                "cancel event", lambda: self._visit.almanac.events.cancel(self._id), "The event is cancelled."
            )

    async def _retry(self) -> None:
        text = "It is published once more, as its next attempt. Deliveries that succeeded are not repeated."
        if await confirm("Retry this event?", text, "Retry"):
            await self._act(
                "retry event", lambda: self._visit.almanac.events.retry(self._id), "The event goes out again."
            )

    async def _reschedule(self, event: EventDetail) -> None:
        zone = event.target_timezone
        text = f"Of this occurrence alone; the schedule keeps its rule. Clocks in {zone} show:"
        local = await ask(
            "Give it another time?", text, "Local time", "Reschedule", value=local_input(event), kind="datetime-local"
        )
        if local is not None:
            await self._act(
                "reschedule event",
                lambda: self._visit.almanac.events.reschedule(self._id, local, timezone=zone),
                "The event has another time.",
            )

    async def _act(self, action: str, call: Callable[[], Awaitable[EventDetail]], done: str) -> None:
        if await self._visit.act(action, self._id, call) is not None:
            self._visit.say(done)
        await self._event.again()
        await self._timeline.again()


PAGE = Page(PATH, "Events", build, icon="events")
EVENT_PAGE = Page("/events/{event_id}", "Event", build_event, parent=PATH)
