"""A runtime on real PostgreSQL and a real bus, and clients of its API."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.lifecycle import Role
from chassis.runtime import Runtime, open_runtime
from chassis.settings import ApiKey
from local_stack.testkit import AwsAccount
from local_stack.testkit.plugin import DatabaseFactory


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
    """Speaks to the API with a key of scope `read`."""
    transport = httpx.ASGITransport(app=SERVICE.app(runtime))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": "Bearer reader"}
    ) as opened:
        yield opened


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
