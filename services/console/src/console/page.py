"""What a page is, and what it is given."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

import structlog
from nicegui import Client, background_tasks, ui

from almanac_client import Almanac, AlmanacError, ApiError
from console.data_sources import DataSources, Poller
from console.session_middleware import LOGIN
from console.sessions import Session, Sessions

log = structlog.get_logger(__name__)
T = TypeVar("T")

TICK_SECONDS = 1.0
SOON_SECONDS = 1.0
"""How long a page waits for a service before it is sent without that part."""


@dataclass(frozen=True)
class Page:
    """One address of the console.

    ``build`` fills the page's main part. ``icon`` names a drawing of :mod:`console.markup`; without
    one the page is not in the navigation, and ``parent`` is the path of the entry that stands for it.
    """

    path: str
    title: str
    build: "Callable[[Visit], Awaitable[None]]"
    icon: str | None = None
    parent: str | None = None


@dataclass
class Visit:
    """One tab that shows a page: who looks, whom they may ask, what they watch."""

    session: Session
    almanac: Almanac
    """As the holder of the session's key: a service refuses what the key may not."""
    live: DataSources
    sessions: Sessions
    client: Client
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the path."""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_act(self) -> bool:
        return self.session.may_act

    def tick(self, show: Callable[[], None], seconds: float = TICK_SECONDS) -> None:
        """Call ``show`` now and every so often while the tab is open. It must not wait for anything."""
        show()
        ui.timer(seconds, show, immediate=False)

    def watch(self, *feeds: Poller[T]) -> None:
        """Have ``feeds`` asked while this tab is open."""
        for feed in feeds:
            feed.watch()
            self.client.on_delete(feed.unwatch)

    def expire_with_session(self) -> None:
        """Lead to the login when the session ends: by a logout in another tab, or by its age."""

        def check() -> None:
            if not self.sessions.alive(self.session):
                ui.navigate.to(LOGIN)

        ui.timer(5.0, check, immediate=False)

    async def act(self, action: str, target: object, call: Callable[[], Awaitable[T]]) -> T | None:
        """Run an action for the session's user and show the result. None where it was refused or failed.

        ``action`` says what in the words of a log, ``target`` to what; both are logged with the key's name.
        """
        told = {"action": action, "target": str(target), "by": self.session.name}
        if not self.sessions.alive(self.session):
            ui.navigate.to(LOGIN)
            return None
        if not self.may_act:
            log.warning("console action refused", **told, reason="the key may only read")
            self.say("This key may only look: log in with one that has the scope write.", wrong=True)
            return None
        try:
            result = await call()
        except AlmanacError as error:
            status = error.status if isinstance(error, ApiError) else None
            log.warning("console action failed", **told, service=error.service, status=status, reason=error.sentence())
            self.say(problem_text(error), wrong=True)
            return None
        log.info("console action", **told)
        return result

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Tell the holder, also those who hear the page."""
        ui.notify(
            text,
            type=None,
            classes="notice notice-wrong" if wrong else "notice",
            position="bottom-right",
            timeout=8_000 if wrong else 4_000,
            close_button="Dismiss" if wrong else False,
            attrs={"role": "alert" if wrong else "status"},
        )


def problem_text(error: AlmanacError) -> str:
    """What a problem says, with the fields that it names."""
    said = error.sentence()
    if not isinstance(error, ApiError) or not 400 <= error.status < 500:
        return said
    if error.status == HTTPStatus.UNAUTHORIZED:
        said = f"{error.service} does not know this key"
    fields = [f"{name}: {rule}" for name, rule in error.faults if rule not in said]
    return " · ".join((said if error.title in said else f"{error.title}: {said}", *fields))


async def soon(load: Awaitable[T], show: Callable[[asyncio.Future[T]], None]) -> bool:
    """Give ``show`` the outcome of ``load``: now if it comes soon (True), else when it comes."""
    task = asyncio.ensure_future(load)
    await asyncio.wait({task}, timeout=SOON_SECONDS)
    if task.done():
        show(task)
        return True

    async def later() -> None:
        await asyncio.wait({task})
        show(task)

    background_tasks.create(later(), name="a part of a page that came later")
    return False
