"""A runtime on real PostgreSQL and a real bus, and clients of its API."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from almanac_client import Almanac, Services
from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.core.lifecycle import Role
from chassis.core.settings import ApiKey
from chassis.service.runtime import Runtime, open_runtime
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
        answers = {"users": users, "events": events, "deliveries": deliveries}

        def answer(request: httpx.Request) -> httpx.Response:
            found = answers[request.url.host].get(request.url.path, 404)
            return httpx.Response(found) if isinstance(found, int) else httpx.Response(200, json=found)

        addresses = Services("http://users", "http://events", "http://deliveries", None)
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            app.state.almanac = Almanac(addresses, "ours", http=http, attempts=1)
            app.state.jaeger_url = "http://jaeger"
            headers = {"Authorization": "Bearer reader"}
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://test", headers=headers
            ) as client:
                yield client

    return opened


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
