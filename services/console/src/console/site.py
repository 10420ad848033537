"""The console as a web site, and the role that keeps it alive."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from nicegui import Client, ui
from nicegui import app as pages_app
from nicegui.middlewares import RedirectWithPrefixMiddleware, SetCacheControlMiddleware
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from almanac_client import Almanac
from chassis.api.auth import Keyring
from console.components import away, html
from console.data_sources import DataSources
from console.login import login_routes
from console.markup import ASSETS, HEAD, link, lost_page
from console.page import Page, Visit
from console.pages import PAGES
from console.session_middleware import SESSION, Gate
from console.sessions import FailureLimit, Session, Sessions
from console.shell import shell

_NOT_NEEDED: tuple[object, ...] = (RedirectWithPrefixMiddleware, SetCacheControlMiddleware)


@dataclass(frozen=True)
class Console:
    """What all pages share. There is one in a process: the page framework keeps its routes in the module."""

    keyring: Keyring
    almanac: Almanac
    """With the console's key, for polled data. Pages and actions call with the user's key."""
    session_hours: float = 12.0
    each_per_second: float = 450.0
    """Events per second of one process of each role, for the fleet's capacity."""
    pages: Sequence[Page] = PAGES

    def open(self) -> "OpenConsole":
        """The site itself."""
        return OpenConsole(self)


class OpenConsole:
    """The site, and the role behind it."""

    name = "console"

    def __init__(self, console: Console) -> None:
        self._console = console
        self.sessions = Sessions(hours=console.session_hours)
        self.live = DataSources(console.almanac, each_per_second=console.each_per_second)
        self._started = False
        self._site = self._build()
        self.app: ASGIApp = self._site

    async def run(self, stopping: asyncio.Event) -> None:
        """Run pages and feeds until stopped."""
        async with self.running(stopping):
            await stopping.wait()

    @asynccontextmanager
    async def running(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """Pages and feeds go on inside."""
        async with self._site.router.lifespan_context(self._site), asyncio.TaskGroup() as group:
            for feed in self.live:
                group.create_task(feed.run(stopping), name=f"feed {feed.name}")
            self._started = True
            try:
                yield
            finally:
                self._started = False
                stopping.set()

    def _build(self) -> FastAPI:
        site = FastAPI(
            openapi_url=None, middleware=[Middleware(Gate, sessions=self.sessions, started=lambda: self._started)]
        )
        site.include_router(login_routes(self._console.keyring, self.sessions, FailureLimit()))
        site.mount("/assets", StaticFiles(directory=ASSETS))
        for page in self._console.pages:
            self._register(page)
        pages_app.on_page_exception(_broken_page)
        pages_app.add_exception_handler(HTTPStatus.NOT_FOUND, _no_page)
        ui.add_head_html(HEAD, shared=True)
        ui.run_with(
            site,
            title="Almanac",
            language="en-US",
            tailwind=False,
            storage_secret=None,
            reconnect_timeout=10.0,
            message_history_length=200,
            show_welcome_message=False,
            favicon=ASSETS / "favicon.svg",
        )
        # They wrap every response to set headers that the gate sets, and fail where a browser has gone away meanwhile.
        pages_app.user_middleware[:] = [each for each in pages_app.user_middleware if each.cls not in _NOT_NEEDED]
        return site

    def _register(self, page: Page) -> None:
        console = self

        async def show(request: Request, client: Client) -> None:
            visit = console._visit(request, client)
            with shell(visit, page, console._console.pages):
                visit.expire_with_session()
                await page.build(visit)

        # The framework logs pages by their functions' names.
        show.__name__ = page.build.__name__
        ui.page(page.path, title=f"{page.title} · Almanac")(show)

    def _visit(self, request: Request, client: Client) -> Visit:
        session: Session = request.scope[SESSION]
        visit = Visit(
            session=session,
            almanac=self._console.almanac.with_key(session.key),
            live=self.live,
            sessions=self.sessions,
            client=client,
            parameters={name: str(value) for name, value in request.path_params.items()},
            query=dict(request.query_params),
        )
        client.on_exception(lambda: visit.say("That failed here, and nothing was changed by the console.", wrong=True))
        return visit


def _broken_page(_: Exception) -> None:
    with ui.element("div").classes("content"):
        html(away("This page cannot be shown: the console failed. The reason is in its log."))
        html(link("To the first page", "/"), name="p")


async def _no_page(request: Request, _: Exception) -> Response:
    text = "The address leads nowhere: perhaps it was cut off, or what it was about is gone."
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("no such page", HTTPStatus.NOT_FOUND)
    return HTMLResponse(lost_page("There is no such page", text), HTTPStatus.NOT_FOUND)
