"""A runtime on real PostgreSQL and a real bus, and clients of its API."""

import asyncio
import gc
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any

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
from analytics_service.adapters.service_clients import ServiceClient, ServiceClients
from analytics_service.console.site import Console, OpenConsole
from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.api.auth import Keyring
from chassis.core.lifecycle import Role
from chassis.core.settings import ApiKey
from chassis.service.runtime import Runtime, open_runtime
from chassis.telemetry.outgoing import open_http
from contracts.vocabulary import Service as ServiceName
from testkit import AwsAccount
from testkit.plugin import DatabaseFactory


def _key(name: str, *scopes: str) -> ApiKey:
    return ApiKey.model_validate({"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes})


@pytest.fixture
async def settings(database: DatabaseFactory, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return Settings.model_validate(
        {
            "database_url": await database("analytics-service"),
            "aws_endpoint_url": aws.endpoint_url,
            "aws_account_id": aws.access_key_id,
            "api_keys": (_key("reader", "read"), _key("writer", "write")),
        }
    )


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime[Settings]]:
    async with open_runtime(settings, name="analytics-service") as opened:
        yield opened


@pytest.fixture
async def client(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the API with a key of scope `read`."""
    transport = httpx.ASGITransport(app=SERVICE.app(runtime))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": "Bearer reader"}
    ) as opened:
        yield opened


Answers = Mapping[str, Any]
"""By path: the JSON of an answer, or its status."""
_NONE: Answers = MappingProxyType({})


@pytest.fixture
def open_beside(runtime: Runtime[Settings]) -> Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]:
    """`async with open_beside(events={…}, deliveries={…}) as client:` where the other services answer so."""

    @asynccontextmanager
    async def opened(
        *, users: Answers = _NONE, events: Answers = _NONE, deliveries: Answers = _NONE
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = SERVICE.app(runtime)
        peers = ServiceClients(
            _stand_in("user-service", users),
            _stand_in("event-service", events),
            _stand_in("delivery-service", deliveries),
        )
        app.state.peers, app.state.jaeger_url = peers, "http://jaeger"
        headers = {"Authorization": "Bearer reader"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://test", headers=headers
        ) as client:
            yield client
        await peers.aclose()

    return opened


def _stand_in(name: str, answers: Answers) -> ServiceClient:
    """Anything else is not found."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path, 404)
        return httpx.Response(found) if isinstance(found, int) else httpx.Response(200, json=found)

    return ServiceClient(name, "http://there", key="ours", transport=httpx.MockTransport(answer))


@pytest.fixture
def running() -> Callable[[Sequence[Role]], AbstractAsyncContextManager[None]]:
    """`async with running(roles):` runs roles, and sees them stop cleanly at the end of the block."""

    @asynccontextmanager
    async def run(roles: Sequence[Role]) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for role in roles:
                group.create_task(role.run(stopping), name=role.name)
            try:
                yield
            finally:
                stopping.set()

    return run


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

    addresses = Services(*(f"http://{each.value}" for each in ServiceName))
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
