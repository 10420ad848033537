"""What pages are put together from. Each is built once and then shown new values."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from markupsafe import Markup
from nicegui import ui

from almanac_client import AlmanacError
from console.data_sources import Reading
from console.markup import Content, icon, joined, tag
from console.page import problem_text, soon

T = TypeVar("T")


def html(content: str | Markup = "", *, name: str = "div") -> ui.html:
    """Markup of ours on the page: made by :mod:`console.markup`, so escaped already."""
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
    """One figure with its name, and a word on it; a link where there is more behind it."""

    def __init__(self, label: str, *, hint: str | None = None, address: str | None = None) -> None:
        self._element = html().classes("tile")
        self._label, self._hint, self._address = label, hint, address
        self._element.props('role="group"')
        self.show("…")

    def show(self, value: str, note: str | None = None, tone: str = "plain") -> None:
        """``tone`` as of :func:`console.markup.badge`."""
        label = tag("a", self._label, href=self._address) if self._address else self._label
        parts = (
            tag("span", label, class_="tile-label", title=self._hint),
            tag("span", value, class_=f"tile-value {tone}"),
            tag("span", note or Markup("&nbsp;"), class_="tile-note"),
        )
        self._element.set_content(str(joined(parts)))


class Table:
    """A table that hears well: a caption, headings with a scope, and the numbers of a column below each other."""

    def __init__(self, caption: str, columns: Sequence[str], *, numbers: Sequence[int] = ()) -> None:
        self._caption, self._columns, self._numbers = caption, columns, frozenset(numbers)
        self._element = html(waiting()).classes("table-frame").props('tabindex="0" role="region"')
        self._element.props(f'aria-label="{caption}"')

    def show(self, rows: Sequence[Sequence[Content]], empty: str | None = None, *, error: str | None = None) -> None:
        """Each row's first cell is its heading. Without rows ``error`` or ``empty`` is shown; neither: still to
        come."""
        if rows:
            shown = table(self._caption, self._columns, rows, numbers=self._numbers)
        else:
            shown = away(error) if error else nothing(empty) if empty else waiting()
        self._element.set_content(str(shown))


class Part:
    """A part of a page whose markup changes as a whole."""

    def __init__(self) -> None:
        self._element = html().classes("part")

    def show(self, content: Markup) -> None:
        self._element.set_content(str(content))

    def show_reading(self, reading: Reading[T], markup: Callable[[T], Markup]) -> None:
        """What ``markup`` makes of the newest value, or why there is none."""
        if reading.value is not None:
            self.show(markup(reading.value))
        else:
            self.show(away(reading.error) if reading.error else waiting())

    def table(self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Content]]) -> None:
        """A table in a frame of its own; nothing at all without rows."""
        self.show(
            tag("section", table(caption, columns, rows), class_="panel failure", role="status") if rows else Markup("")
        )


class Changing(Generic[T]):
    """A part that is rebuilt when its data has changed, and otherwise keeps its buttons."""

    def __init__(self, build: Callable[[T], None]) -> None:
        self._build = build
        self._shown: T | None = None
        self._element = ui.element("div").props('aria-live="polite"')

    def show(self, thing: T) -> None:
        if thing == self._shown:
            return
        self._shown = thing
        self._element.clear()
        with self._element:
            self._build(thing)


class Chart:
    """A chart, and the same in words: a summary, and a table for those who want its numbers or do not see it."""

    def __init__(self, summary: str, columns: Sequence[str], *, tall: bool = False) -> None:
        self._summary, self._columns = summary, columns
        self._chart: ui.echart | None = None
        self._shown: object = None
        self._frame = ui.element("div").classes("chart tall" if tall else "chart")
        with self._frame:
            html(waiting())
        self._table = html(name="details").classes("chart-table")

    def show_reading(
        self,
        reading: Reading[T],
        options: Callable[[T], dict[str, Any]],
        rows: Callable[[T], Sequence[Sequence[Content]]],
    ) -> None:
        """Draw what ``options`` makes of the newest value. Nothing is sent where it is drawn already."""
        if reading.value is None:
            if reading.error and self._shown != reading.error:
                self._shown = reading.error
                self._over(lambda: html(away(reading.error or "")))
            return
        drawn = options(reading.value)
        if drawn == self._shown:
            return
        self._shown = drawn
        if self._chart is None:
            self._over(lambda: self._draw(drawn))
        else:
            self._chart.options.clear()
            self._chart.options.update(drawn)
            self._chart.update()
        numbers = frozenset(range(1, len(self._columns)))
        shown = table(self._summary, self._columns, rows(reading.value), numbers=numbers, empty="Nothing yet.")
        self._table.set_content(str(joined(tag("summary", "As a table"), tag("div", shown, class_="table-frame"))))

    def _draw(self, drawn: dict[str, Any]) -> None:
        self._chart = ui.echart(dict(drawn), renderer="svg").props(f'role="img" aria-label="{self._summary}"')

    def _over(self, build: Callable[[], object]) -> None:
        self._chart = None
        self._frame.clear()
        with self._frame:
            build()


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Content]],
    *,
    numbers: frozenset[int] = frozenset(),
    empty: str = "Nothing here.",
    stacked: bool = False,
) -> Markup:
    """The markup of a table, see :class:`Table`. ``stacked``: a card for each row where the screen is narrow."""

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
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head),
        tag("tbody", body),
        class_="stacked" if stacked else None,
    )


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
                elif isinstance(error, AlmanacError):
                    self._failed(error, lambda: self.fill(load, show))
                else:
                    raise error

        await soon(load(), shown)

    @contextmanager
    def _over(self) -> Iterator[None]:
        self._element.clear()
        with self._element:
            yield

    def _failed(self, error: AlmanacError, again: Callable[[], Awaitable[None]]) -> None:
        html(away(problem_text(error)))
        button("Try again", again)


def button(text: str, on_click: Callable[[], object], *, kind: str = "plain", label: str | None = None) -> ui.button:
    """A button: ``kind`` is plain, primary or danger; ``label`` says more to those who hear it."""
    made = ui.button(text, on_click=on_click, color=None).props("unelevated no-caps :ripple=false")
    made.classes(f"button {kind}")
    if label:
        made.props(f'aria-label="{label}"')
    return made
