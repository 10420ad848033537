"""One endpoint: its health, its failures and its actions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nicegui import ui

from almanac_client import Almanac
from console.components import Table, Tile, away, button, html, nothing, panel, row
from console.dialogs import ask, ask_contact, ask_overlap, confirm, show_secret
from console.formats import NONE, count, duration, moment, share, word
from console.markup import Content, badge, facts, link, tag
from console.page import Page, Visit
from console.pages.endpoints import REFRESH_SECONDS, state_badge
from console.refreshing_panel import RefreshingPanel
from contracts.http.deliveries import Attempt, Delivery, Endpoint, EndpointStats

_LATELY = 10
"""How many failed, and how many waiting deliveries are shown."""
UNREADABLE = "unreadable: its key is not in SECRET_KEYS"


@dataclass(frozen=True)
class Whole:
    """All that the page shows of an endpoint."""

    endpoint: Endpoint
    health: EndpointStats
    failed: Sequence[Delivery]
    waiting: Sequence[Delivery]


async def load(almanac: Almanac, endpoint_id: UUID) -> Whole:
    endpoint, health, failed, waiting = await asyncio.gather(
        almanac.endpoints.get(endpoint_id),
        almanac.endpoints.stats(endpoint_id),
        almanac.deliveries.page(endpoint_id=endpoint_id, status="FAILED", limit=_LATELY),
        almanac.deliveries.page(endpoint_id=endpoint_id, status="PENDING", limit=_LATELY),
    )
    return Whole(endpoint, health, failed.items, waiting.items)


def attempt_facts(attempt: Attempt) -> Sequence[tuple[str, Content]]:
    """The result of an attempt, as pairs of a name and a value."""
    return [
        ("Result", badge(word(attempt.status), "good" if attempt.status == "succeeded" else "bad")),
        ("HTTP status", NONE if attempt.http_status is None else str(attempt.http_status)),
        ("Fault", NONE if attempt.error is None else word(attempt.error)),
        ("Began", moment(attempt.started_at)),
        ("Took", duration(attempt.duration_seconds)),
        ("Answer", tag("pre", attempt.excerpt, tabindex="0") if attempt.excerpt else NONE),
        ("Trace", tag("code", attempt.trace_id) if attempt.trace_id else NONE),
    ]


def _address(endpoint: Endpoint) -> Content:
    if endpoint.url:
        return tag("code", endpoint.url)
    # Slack's is encrypted with the secrets.
    return UNREADABLE if endpoint.unreadable else "the user's own"


def settings_facts(endpoint: Endpoint) -> Sequence[tuple[str, Content]]:
    """How it is set up, in pairs of a name and its value."""
    retries = endpoint.retry_schedule
    return [
        ("Kind", endpoint.kind),
        ("Address", _address(endpoint)),
        ("Event types", ", ".join(endpoint.event_types) or "all"),
        ("Priorities", ", ".join(endpoint.priorities) or "all"),
        ("Tags", ", ".join(endpoint.tags) or "every user"),
        ("Rate limit", "none" if endpoint.rate_limit is None else f"{endpoint.rate_limit:g} a second"),
        ("Concurrency", "limited by slots" if endpoint.concurrency is None else str(endpoint.concurrency)),
        ("Timeout", duration(endpoint.timeout_seconds)),
        ("Retries", _retries(retries)),
        ("Send windows", "respected" if endpoint.respect_send_window else "ignored"),
        ("Signature", UNREADABLE if endpoint.unreadable else endpoint.signature_algorithm or "unsigned"),
        *([("Earlier secret", f"signs too until {moment(endpoint.previous_secret_until)}")]
          if endpoint.previous_secret_until else []),
        ("Created", moment(endpoint.created_at)),
        ("Id", tag("code", str(endpoint.id))),
    ]  # fmt: skip


def _retries(schedule: Sequence[float] | None) -> str:
    if schedule is None:
        return "the service's own backoff"
    return "after " + ", ".join(duration(each) for each in schedule) if schedule else "none"


def _failed_cells(delivery: Delivery) -> Sequence[Content]:
    return [
        moment(delivery.finished_at),
        word(delivery.event_type),
        word(delivery.reason or NONE),
        str(delivery.http_status or NONE),
        str(delivery.attempts),
        link("Event", f"/events/{delivery.event_id}"),
    ]


def _waiting_cells(delivery: Delivery) -> Sequence[Content]:
    return [
        moment(delivery.next_attempt_at) if delivery.next_attempt_at else "in progress",
        word(delivery.event_type),
        str(delivery.http_status or NONE),
        str(delivery.attempts),
        link("Event", f"/events/{delivery.event_id}"),
    ]


async def build(visit: Visit) -> None:
    """The endpoint, refreshed every few seconds, with buttons for users with the scope write."""
    try:
        endpoint_id = UUID(visit.parameters["endpoint_id"])
    except ValueError:
        html(away("This is not the id of an endpoint."))
        return
    panel_data = RefreshingPanel(lambda: load(visit.almanac, endpoint_id), every_seconds=REFRESH_SECONDS)
    with panel_data.body:
        view = _View(visit, endpoint_id, panel_data)
    await panel_data.begin(view.show)


class _View:
    """What the page is made of, built once."""

    def __init__(self, visit: Visit, endpoint_id: UUID, panel_data: RefreshingPanel[Whole]) -> None:
        self._visit, self._client, self._id, self._panel_data = visit, visit.almanac.endpoints, endpoint_id, panel_data
        self._endpoint: Endpoint | None = None
        self._heading = html(name="p").classes("lead")
        with row():
            self._circuit = Tile("Circuit", hint="Open: nothing is sent until a probe may be.")
            self._rate = Tile("Delivered", hint="Of the deliveries of the last 24 hours that ended.")
            self._waiting = Tile("Waiting")
            self._failed = Tile("Failed")
            self._latency = Tile("Time to answer, p95")
        if visit.may_act:
            self._actions()
        else:
            html(tag("p", "This key may look and not act.", class_="note"))
        with panel("Last error"):
            self._error = html()
        with panel("Set up"):
            self._settings = html()
        with panel("Failed lately", wide=True):
            failed = ("Ended", "Type", "Reason", "HTTP", "Attempts", "Event")
            self._failures = Table("Deliveries that failed lately", failed, numbers=(3, 4))
            html(tag("p", link("Its dead letters", f"/dead-letters?endpointId={endpoint_id}")))
        with panel("Waiting for their next attempt", wide=True):
            waiting = ("Next attempt", "Type", "HTTP", "Attempts", "Event")
            self._pending = Table("Deliveries waiting for their next attempt", waiting, numbers=(2, 3))

    def _actions(self) -> None:
        with ui.element("div").classes("actions").props('role="group" aria-label="Actions"'):
            self._enable = button("Enable", self.enable, kind="primary")
            self._disable = button("Disable", self.disable, kind="danger")
            button("Send a test event", self.test)
            self._rotate = button("Rotate the secret", self.rotate)
        self._tested = ui.element("div").props('aria-live="polite"')

    def show(self, whole: Whole) -> None:
        endpoint, health = whole.endpoint, whole.health
        self._endpoint = endpoint
        self._heading.set_content(str(_heading(endpoint)))
        self._show_tiles(health)
        if self._visit.may_act:
            self._enable.visible, self._disable.visible = not endpoint.enabled, endpoint.enabled
            self._rotate.visible = endpoint.signature_algorithm is not None
        error = health.last_error
        shown = nothing("No error in the last 24 hours.") if error is None else facts(attempt_facts(error))
        self._error.set_content(str(shown))
        self._settings.set_content(str(facts(settings_facts(endpoint))))
        self._failures.show([_failed_cells(each) for each in whole.failed], empty="Nothing failed.")
        self._pending.show([_waiting_cells(each) for each in whole.waiting], empty="Nothing waits.")

    def _show_tiles(self, health: EndpointStats) -> None:
        circuit = health.circuit
        tone = {"CLOSED": "good", "OPEN": "bad"}.get(circuit.state, "watch")
        probe = f"next probe {moment(circuit.probe_at)}" if circuit.probe_at else None
        failing = f"{circuit.failures_in_row} failures in a row" if circuit.failures_in_row else None
        self._circuit.show(word(circuit.state), probe or failing, tone)
        self._rate.show(share(health.success_rate), f"of {count(health.succeeded + health.failed)} that ended")
        self._waiting.show(count(health.pending), "for their next attempt")
        self._failed.show(count(health.failed), "in 24 hours", "bad" if health.failed else "plain")
        latency = health.latency
        note = None if latency is None else f"p50 {duration(latency.p50)}, p99 {duration(latency.p99)}"
        self._latency.show(NONE if latency is None else duration(latency.p95), note)

    async def enable(self) -> None:
        text = (
            "It receives events that are due from now on. Its earlier deliveries are dead letters and can be redriven."
        )
        if await confirm("Enable this endpoint?", text, "Enable"):
            await self._do("enable endpoint", lambda: self._client.enable(self._id), "Enabled.")

    async def disable(self) -> None:
        text = "It receives nothing more. Its waiting deliveries become dead letters, which can be redriven later."
        reason = await ask("Disable this endpoint?", text, "Reason", "Disable", value="")
        if reason:
            await self._do("disable endpoint", lambda: self._client.disable(self._id, reason), "Disabled.")

    async def rotate(self) -> None:
        overlap = await ask_overlap()
        if overlap is None:
            return
        secured = await self._visit.act(
            "rotate secret of endpoint", self._id, lambda: self._client.rotate_secret(self._id, overlap_seconds=overlap)
        )
        if secured is not None:
            await show_secret(secured.secret, secured.note)
            await self._panel_data.again()

    async def test(self) -> None:
        kind = self._endpoint.kind if self._endpoint else "webhook"
        contact = None
        if kind in ("email", "sms"):
            contact = await ask_contact(kind)
            if contact is None:
                return
        elif not await confirm("Send a test event?", "The endpoint gets one event of the type “test”, now.", "Send"):
            return
        self._show_test(nothing("Sending …"))
        attempt = await self._visit.act("test endpoint", self._id, lambda: self._client.test(self._id, contact))
        self._show_test(None if attempt is None else facts(attempt_facts(attempt)))

    def _show_test(self, content: Content) -> None:
        self._tested.clear()
        if content is not None:
            with self._tested, panel("Test result"):
                html(tag("div", content))

    async def _do(self, action: str, call: Callable[[], Awaitable[Endpoint]], done: str) -> None:
        if await self._visit.act(action, self._id, call) is not None:
            self._visit.say(done)
            await self._panel_data.again()


def _heading(endpoint: Endpoint) -> Content:
    why = f"since {moment(endpoint.disabled_at)}: {endpoint.disabled_reason or 'no reason given'}"
    return tag(
        "span", tag("strong", endpoint.name), " ", state_badge(endpoint), None if endpoint.enabled else f" {why}"
    )


PAGE = Page("/endpoints/{endpoint_id}", "Endpoint", build, parent="/endpoints")
