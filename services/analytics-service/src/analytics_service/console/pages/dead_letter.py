"""One dead letter: its content, its attempts and its actions."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nicegui import ui

from analytics_service.console.components import Region, Table, away, button, html, panel
from analytics_service.console.dialogs import ask, confirm
from analytics_service.console.facts import facts
from analytics_service.console.formats import NONE, duration, moment, word
from analytics_service.console.markup import Content, link, tag
from analytics_service.console.page import Page, Visit
from analytics_service.console.pages.dead_letters import status_badge
from contracts.http.deliveries import Attempt, DeadLetter, DeadLetterDetail

_ATTEMPTS = ("Began", "Result", "HTTP", "Fault", "Took", "Answer")


@dataclass(frozen=True)
class Whole:
    """The dead letter, and what was tried before it became one."""

    letter: DeadLetterDetail
    attempts: Sequence[Attempt]


async def load(visit: Visit, letter_id: UUID) -> Whole:
    letter = await visit.almanac.dead_letters.get(letter_id)
    if letter.delivery_id is None:
        return Whole(letter, ())
    delivery = await visit.almanac.deliveries.get(letter.delivery_id)
    return Whole(letter, delivery.history)


def readable(payload: str) -> str:
    """A message's body, indented where it is JSON."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload


def letter_facts(letter: DeadLetter) -> Sequence[tuple[str, Content]]:
    """Its fields, as pairs of a name and a value."""
    return [
        ("Status", status_badge(letter)),
        ("Reason", word(letter.reason)),
        ("What was met", letter.detail or NONE),
        ("Given up", moment(letter.created_at)),
        ("Type", word(letter.event_type) if letter.event_type else NONE),
        ("Priority", word(letter.priority) if letter.priority else NONE),
        ("Event", link(str(letter.event_id), f"/events/{letter.event_id}") if letter.event_id else NONE),
        ("Endpoint", link("Its page", f"/endpoints/{letter.endpoint_id}") if letter.endpoint_id else NONE),
        ("User", tag("code", str(letter.user_id)) if letter.user_id else NONE),
        ("Attempts", str(letter.attempts)),
        ("Queue", letter.queue or NONE),
        ("Trace", tag("code", letter.trace_id) if letter.trace_id else NONE),
        *([("Resolved", moment(letter.resolved_at))] if letter.resolved_at else []),
        *([("Note", letter.note)] if letter.note else []),
    ]


def attempt_cells(attempt: Attempt) -> Sequence[Content]:
    """An attempt as a row of the table."""
    return [
        moment(attempt.started_at),
        word(attempt.status),
        str(attempt.http_status or NONE),
        word(attempt.error) if attempt.error else NONE,
        duration(attempt.duration_seconds),
        tag("code", attempt.excerpt[:200]) if attempt.excerpt else NONE,
    ]


async def build(visit: Visit) -> None:
    """The dead letter, with buttons for users with the scope write while it is open."""
    try:
        letter_id = UUID(visit.parameters["letter_id"])
    except ValueError:
        html(away("This is not the id of a dead letter."))
        return
    region = Region()

    async def again() -> None:
        await region.fill(lambda: load(visit, letter_id), show)

    def show(whole: Whole) -> None:
        if whole.letter.is_open and visit.may_act:
            _actions(visit, whole.letter, again)
        with panel("Details"):
            html(facts(letter_facts(whole.letter)))
        with panel("The message"):
            html(tag("pre", readable(whole.letter.payload), tabindex="0", aria_label="The message's body"))
        with panel("What was tried", wide=True):
            rows = [attempt_cells(each) for each in whole.attempts]
            Table("Attempts", _ATTEMPTS, numbers=(2, 4)).show(rows, empty="Nothing was tried.")

    await again()


def _actions(visit: Visit, letter: DeadLetter, again: Callable[[], Awaitable[None]]) -> None:
    client = visit.almanac.dead_letters

    async def redrive() -> None:
        text = "It is sent again with its webhook-id and new tries, so that a receiver that had it takes it once."
        if await confirm("Redrive this?", text, "Redrive"):
            if await visit.act("redrive dead letter", letter.id, lambda: client.redrive(letter.id)) is not None:
                visit.say("Sent again.")
            await again()

    async def discard() -> None:
        note = await ask("Discard this?", "It stays to be read, with the reason.", "Reason", "Discard", value="")
        if note:
            if await visit.act("discard dead letter", letter.id, lambda: client.discard(letter.id, note)) is not None:
                visit.say("Discarded.")
            await again()

    with ui.element("div").classes("actions").props('role="group" aria-label="Actions"'):
        button("Redrive", redrive, kind="primary")
        button("Discard", discard, kind="danger")


PAGE = Page("/dead-letters/{letter_id}", "Dead letter", build, parent="/dead-letters")
