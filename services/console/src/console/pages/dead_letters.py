"""*Dead letters*: search, redrive and discard many; one with its content, its attempts and its actions."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nicegui import ui

from almanac_client.deliveries import DeadLetters
from console.components import Region, Table, away, button, html, panel
from console.dead_letter_filter import OPEN, Wanted, form
from console.dialogs import ask, confirm
from console.formats import NONE, count, duration, moment, word
from console.markup import Content, badge, facts, joined, link, tag
from console.page import Page, Visit
from console.refreshing_panel import RefreshingPanel
from contracts.http.deliveries import Attempt, DeadLetter, DeadLetterDetail, Endpoint, Redrive
from contracts.http.model import ListPage

MAX_ENDPOINTS = 200
"""How many there are to choose from; another one can be named in the address."""
ROWS = 25
"""How many dead letters a page shows."""
PROGRESS_SECONDS = 0.5
_COLUMNS = ("Given up", "Type", "Reason", "What was met", "Endpoint", "Attempts", "Status")
_ATTEMPTS = ("Began", "Result", "HTTP", "Fault", "Took", "Answer")
_TONES = {"OPEN": "bad", "REDRIVEN": "good", "DISCARDED": "plain"}


@dataclass(frozen=True)
class Found:
    """A page of dead letters, and the endpoints there are."""

    page: ListPage[DeadLetter]
    endpoints: Sequence[Endpoint]


def status_badge(letter: DeadLetter) -> Content:
    return badge(word(letter.status), _TONES.get(letter.status, "plain"))


def cells(letter: DeadLetter, names: dict[UUID, str]) -> Sequence[Content]:
    """The dead letter as a row of the table."""
    return [
        link(moment(letter.created_at), f"/dead-letters/{letter.id}"),
        word(letter.event_type) if letter.event_type else NONE,
        word(letter.reason),
        joined(letter.detail or NONE),
        link(names.get(letter.endpoint_id, "deleted"), f"/endpoints/{letter.endpoint_id}")
        if letter.endpoint_id
        else NONE,
        str(letter.attempts),
        status_badge(letter),
    ]


async def build(visit: Visit) -> None:
    """The filters, what they find, and how far a redrive of many is."""
    wanted = Wanted.of(visit.query)
    letters, endpoints = visit.almanac.dead_letters, visit.almanac.endpoints
    if redrive := visit.query.get("redrive"):
        await _progress(visit, letters, redrive)
    region = Region()

    async def load() -> Found:
        page, known = await asyncio.gather(
            letters.page(wanted.selection, status=wanted.asked_status, cursor=wanted.cursor, limit=ROWS),
            endpoints.page(limit=MAX_ENDPOINTS),
        )
        return Found(page, known.items)

    await region.fill(load, lambda found: _show(visit, letters, wanted, found))


def _show(visit: Visit, letters: DeadLetters, wanted: Wanted, found: Found) -> None:
    names = {each.id: each.name for each in found.endpoints}
    with panel("Search", wide=True):
        for fault in wanted.faults:
            html(away(f"Left out: {fault}."))
        html(form(wanted, found.endpoints))
    with panel("Dead letters found", "Newest first.", wide=True):
        if visit.may_act and wanted.status == OPEN and found.page.items:
            _actions(visit, letters, wanted, found.endpoints)
        rows = [cells(letter, names) for letter in found.page.items]
        empty = "Nothing is given up: all is well." if wanted.selection.is_empty else "Nothing meets these filters."
        Table("Dead letters", _COLUMNS, numbers=(5,)).show(rows, empty=empty)
        if found.page.next_cursor:
            html(link("Older ones", wanted.address(cursor=found.page.next_cursor), class_="more"))


def _actions(visit: Visit, letters: DeadLetters, wanted: Wanted, endpoints: Sequence[Endpoint]) -> None:
    words = wanted.words(endpoints)

    async def redrive() -> None:
        text = f"This sends {words} again, each with its webhook-id, so that a receiver that had one takes it once."
        if await confirm("Redrive all of these?", text, "Redrive all"):
            begun = await visit.act("redrive dead letters", words, lambda: letters.redrive_many(wanted.changed))
            if begun is not None:
                ui.navigate.to(wanted.address(redrive=str(begun.id)))

    async def discard() -> None:
        note = await ask("Discard all of these?", f"This lets {words} go.", "Reason", "Discard all", value="")
        if note:
            gone = await visit.act("discard dead letters", words, lambda: letters.discard_many(wanted.changed, note))
            if gone is not None:
                visit.say(f"{count(gone)} discarded.")
                ui.navigate.to(wanted.address())

    with ui.element("div").classes("actions").props('role="group" aria-label="All that meet the filters"'):
        button("Redrive all", redrive, kind="primary", label="Redrive all that meet the filters")
        button("Discard all", discard, kind="danger", label="Discard all that meet the filters")


async def _progress(visit: Visit, letters: DeadLetters, redrive_id: str) -> None:
    try:
        id = UUID(redrive_id)
    except ValueError:
        html(away("The address names no redrive."))
        return
    with panel("Redrive", wide=True):
        panel_data = RefreshingPanel(lambda: letters.redrive_progress(id), every_seconds=PROGRESS_SECONDS)

        async def stop() -> None:
            await visit.act("stop redrive", redrive_id, lambda: letters.cancel_redrive(id))
            await panel_data.again()

        with panel_data.body:
            words = html(name="p").props('role="status"')
            bar = ui.element("progress").props('max="1" aria-label="How far the redrive is"')
            stopper = button("Stop", stop, kind="danger", label="Stop the redrive") if visit.may_act else None

    def show(redrive: Redrive) -> None:
        words.set_content(str(progress_words(redrive)))
        bar.props(f'value="{redrive.share:.3f}"')
        if redrive.finished_at is not None:
            if stopper is not None:
                stopper.visible = False
            panel_data.end()

    await panel_data.begin(show)


def progress_words(redrive: Redrive) -> Content:
    """How far it is, in words."""
    said = f"{count(redrive.redriven)} of {count(redrive.total)} sent again"
    if redrive.skipped:
        said += f", {count(redrive.skipped)} could not be and are open still"
    if redrive.finished_at is None:
        return f"{said} …"
    return joined(
        f"{'Stopped' if redrive.cancelled else 'Done'}: {said}. ",
        tag("span", "Deliveries say how each went.", class_="note"),
    )


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


async def build_letter(visit: Visit) -> None:
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
            _letter_actions(visit, whole.letter, again)
        with panel("Details"):
            html(facts(letter_facts(whole.letter)))
        with panel("The message"):
            html(tag("pre", readable(whole.letter.payload), tabindex="0", aria_label="The message's body"))
        with panel("What was tried", wide=True):
            rows = [attempt_cells(each) for each in whole.attempts]
            Table("Attempts", _ATTEMPTS, numbers=(2, 4)).show(rows, empty="Nothing was tried.")

    await again()


def _letter_actions(visit: Visit, letter: DeadLetter, again: Callable[[], Awaitable[None]]) -> None:
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


PAGE = Page("/dead-letters", "Dead letters", build, icon="dead-letters")
LETTER_PAGE = Page("/dead-letters/{letter_id}", "Dead letter", build_letter, parent="/dead-letters")
