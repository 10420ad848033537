"""What pages are put together from. Each is built once and then shown new values."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from markupsafe import Markup
from nicegui import ui

from analytics_service.console.clients.http import ServiceError
from analytics_service.console.icons import icon
from analytics_service.console.markup import Content, joined, tag
from analytics_service.console.page import problem_text, soon

T = TypeVar("T")


def html(content: str | Markup = "", *, name: str = "div") -> ui.html:
    """Markup of ours on the page: made by :mod:`analytics_service.console.markup`, so escaped already."""
    return ui.html(str(content), sanitize=False, tag=name)


@contextmanager
def panel(title: str, note: str | None = None, *, wide: bool = False) -> Iterator[ui.element]:
    """A titled part of a page. Yields its body."""
    with ui.element("section").classes("panel wide" if wide else "panel") as section:
        heading = f"heading-{section.id}"
        section.props(f'aria-labelledby="{heading}"')
        with ui.element("div").classes("panel-head"):
            html(joined(title), name="h2").props(f'id="{heading}"')
            if note:
                html(joined(note), name="p").classes("note")
        with ui.element("div").classes("panel-body") as body:
            yield body


@contextmanager
def row(name: str = "tiles") -> Iterator[ui.element]:
    """Things beside each other, below each other where there is no room."""
    with ui.element("div").classes(name) as element:
        yield element


class Tile:
    """One figure with its name, and a word on it."""

    def __init__(self, label: str, *, hint: str | None = None) -> None:
        self._element = html().classes("tile")
        self._label, self._hint = label, hint
        self._element.props('role="group"')
        self.show("…")

    def show(self, value: str, note: str | None = None, tone: str = "plain") -> None:
        """``tone`` as of :func:`analytics_service.console.markup.badge`."""
        parts = (
            tag("span", self._label, class_="tile-label", title=self._hint),
            tag("span", value, class_=f"tile-value {tone}"),
            tag("span", note or Markup("&nbsp;"), class_="tile-note"),
        )
        self._element.set_content(str(joined(parts)))


class Table:
    """A table that hears well: a caption, headings with a scope, and the numbers of a column below each other."""

    def __init__(self, caption: str, columns: Sequence[str], *, numbers: Sequence[int] = ()) -> None:
        self._caption, self._columns, self._numbers = caption, columns, frozenset(numbers)
        self._element = html().classes("table-frame").props('tabindex="0" role="region"')
        self._element.props(f'aria-label="{caption}"')
        self.show(())

    def show(self, rows: Sequence[Sequence[Content]], empty: str = "Nothing here.") -> None:
        """Each row's first cell is its heading."""
        self._element.set_content(str(table(self._caption, self._columns, rows, numbers=self._numbers, empty=empty)))


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Content]],
    *,
    numbers: frozenset[int] = frozenset(),
    empty: str = "Nothing here.",
) -> Markup:
    """The markup of a table, see :class:`Table`."""

    def kind(index: int) -> str | None:
        return "number" if index in numbers else None

    if not rows:
        return nothing(empty)
    head = tag("tr", (tag("th", each, scope="col", class_=kind(index)) for index, each in enumerate(columns)))
    body = (
        tag(
            "tr",
            (
                tag("th", cell, scope="row", class_=kind(index))
                if index == 0
                else tag("td", cell, class_=kind(index), data_label=columns[index])
                for index, cell in enumerate(cells)
            ),
        )
        for cells in rows
    )
    return tag("table", tag("caption", caption, class_="unseen"), tag("thead", head), tag("tbody", body))


def nothing(text: str, hint: str | None = None) -> Markup:
    """What stands where there is nothing to show."""
    return tag("div", icon("empty"), tag("p", text), tag("p", hint, class_="note") if hint else None,
               class_="state empty")  # fmt: skip


def away(text: str) -> Markup:
    """What stands where a service did not answer."""
    return tag("div", icon("away"), tag("p", text), class_="state away", role="alert")


def waiting(text: str = "Loading …") -> Markup:
    """What stands where an answer is still to come."""
    return tag("div", tag("span", class_="pulse", aria_hidden="true"), tag("p", text), class_="state", role="status")


class Region:
    """A part of a page that shows what a service answers: while it is waited for, when it came, when it did not."""

    def __init__(self) -> None:
        self._element = ui.element("div").classes("region").props('aria-live="polite"')

    async def fill(self, load: Callable[[], Awaitable[T]], show: Callable[[T], None]) -> None:
        """Have ``show`` build what ``load`` brings. A service's refusal is shown, with a button to try again."""
        with self._over():
            html(waiting())

        def shown(outcome: asyncio.Future[T]) -> None:
            if self._element.is_deleted:
                return
            with self._over():
                error = outcome.exception()
                if error is None:
                    show(outcome.result())
                elif isinstance(error, ServiceError):
                    self._failed(error, lambda: self.fill(load, show))
                else:
                    raise error

        await soon(load(), shown)

    @contextmanager
    def _over(self) -> Iterator[None]:
        self._element.clear()
        with self._element:
            yield

    def _failed(self, error: ServiceError, again: Callable[[], Awaitable[None]]) -> None:
        html(away(problem_text(error)))
        button("Try again", again)


def button(text: str, on_click: Callable[[], object], *, kind: str = "plain", label: str | None = None) -> ui.button:
    """A button: ``kind`` is plain, primary or danger; ``label`` says more to those who hear it."""
    made = ui.button(text, on_click=on_click, color=None).props("unelevated no-caps :ripple=false")
    made.classes(f"button {kind}")
    if label:
        made.props(f'aria-label="{label}"')
    return made
