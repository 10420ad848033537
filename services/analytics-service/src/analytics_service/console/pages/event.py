"""One event: its details, its timeline and its actions."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from nicegui import ui

from analytics_service.console.components import Changing, button, html, nothing, panel, row, table
from analytics_service.console.dialogs import ask, confirm
from analytics_service.console.facts import facts
from analytics_service.console.page import Page, Visit
from analytics_service.console.pages import events
from analytics_service.console.refreshing_panel import RefreshingPanel
from analytics_service.console.views.events import (
    MAY_CANCEL,
    MAY_RESCHEDULE,
    MAY_RETRY,
    event_facts,
    history_rows,
    local_input,
)
from analytics_service.console.views.waterfall import waterfall_markup
from contracts.http.analytics import Timeline
from contracts.http.events import EventDetail

REFRESH_SECONDS = 5.0


async def build(visit: Visit) -> None:
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


PAGE = Page("/events/{event_id}", "Event", build, parent=events.PATH)
