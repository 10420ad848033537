"""A part of a page that is asked for again and again while its tab is open."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import ui

from almanac_client import AlmanacError
from console.components import away, button, html, waiting
from console.page import problem_text, soon

T = TypeVar("T")


class RefreshingPanel(Generic[T]):
    """Shows what `load` returns, requested with the user's key.

    `show` is given each answer, to put new values into what was built in the block of `body`; nothing of that is seen
    before the first. If a service does not answer, the old data stays and the error is shown above it.
    """

    def __init__(self, load: Callable[[], Awaitable[T]], *, every_seconds: float) -> None:
        self._load = load
        self._status = ui.element("div").props('aria-live="polite"')
        self.body = ui.element("div").classes("polled")
        self.body.visible = False
        self._show: Callable[[T], None] = lambda _: None
        self._asking = False
        self._timer = ui.timer(every_seconds, self.again, active=False, immediate=False)

    async def begin(self, show: Callable[[T], None]) -> None:
        """Ask now, and from then on every so often."""
        self._show = show
        with self._status:
            html(waiting())
        # Before the first answer, which may say that there will be no other.
        self._timer.activate()
        await self.again()

    def end(self) -> None:
        """Ask no more: the answer will not change."""
        self._timer.cancel()

    async def again(self) -> None:
        """Ask once more: because it is time, or because something was done that changes the answer."""
        if self._asking:
            return
        self._asking = True
        try:
            await soon(self._load(), self._came)
        finally:
            self._asking = False

    def _came(self, outcome: asyncio.Future[T]) -> None:
        if self.body.is_deleted:
            return
        error = outcome.exception()
        if error is None:
            self._status.clear()
            self.body.visible = True
            with self.body:
                self._show(outcome.result())
        elif isinstance(error, AlmanacError):
            self._failed(error)
        else:
            raise error

    def _failed(self, error: AlmanacError) -> None:
        self._status.clear()
        with self._status:
            text = problem_text(error)
            html(away(f"{text}. Showing older data." if self.body.visible else text))
            button("Try again", self.again)
