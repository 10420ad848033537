"""A console beside services that answer from a table."""

import asyncio
import gc
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from fake_services import FakeServices, browser
from nicegui import Client, ui
from nicegui.functions.download import download
from nicegui.functions.navigate import Navigate
from nicegui.functions.notify import notify
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals

from almanac_client import Almanac, Services
from chassis.api.auth import Keyring
from chassis.core.settings import ApiKey
from chassis.telemetry.outgoing import open_http
from console.site import Console, OpenConsole
from contracts.vocabulary import Service


def _key(name: str, *scopes: str) -> ApiKey:
    return ApiKey.model_validate({"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes})


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def framework() -> Iterator[None]:
    """The page framework keeps pages and tabs in its modules: each test begins and ends with none."""
    # Each reset collects garbage, and looking through all that tests ever imported would take a second.
    gc.freeze()
    with nicegui_reset_globals():
        os.environ["NICEGUI_USER_SIMULATION"] = "true"
        try:
            yield
        finally:
            os.environ.pop("NICEGUI_USER_SIMULATION", None)
            # It would otherwise take the modules that pages are in out of the interpreter.
            Client.page_routes.clear()
            ui.navigate, ui.notify, ui.download = Navigate(), notify, download
    gc.unfreeze()


@pytest.fixture
async def console(framework: None, services: FakeServices) -> AsyncIterator[OpenConsole]:
    """The console, running; keys are their own names: `reader`, `writer`, `admin`, and `blind` without a scope."""
    keys = (_key("reader", "read"), _key("writer", "read", "write"), _key("admin", "admin"), _key("blind"))

    addresses = Services(*(f"http://{each.value}" for each in Service))
    async with open_http(timeout_seconds=5, transport=httpx.MockTransport(services)) as http:
        opened = Console(Keyring(keys), Almanac(addresses, "feeds", http=http, attempts=1)).open()
        async with opened.running(asyncio.Event()):
            yield opened


@pytest.fixture
def logged_in(console: OpenConsole) -> Callable[[str], AbstractAsyncContextManager[User]]:
    """`async with logged_in("reader") as user:` is a user who has logged in with that key."""

    @asynccontextmanager
    async def log_in(key: str) -> AsyncIterator[User]:
        async with browser(console) as http:
            answer = await http.post("/login", data={"key": key}, follow_redirects=False)
            assert answer.status_code == 303, answer.text
            yield User(http)

    return log_in
