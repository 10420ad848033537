"""The service in this process, on a database and an AWS account of the test's own."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from chassis.core.settings import ApiKey, Scope
from chassis.database.clock import ClockMap, write_clock_map
from chassis.service.runtime import Runtime, open_runtime
from testkit import AwsAccount
from testkit.plugin import DatabaseFactory
from user_service.main import SERVICE
from user_service.settings import Settings


def _key(name: str, *scopes: Scope) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scopes=frozenset(scopes))


@pytest.fixture
async def runtime(
    database: DatabaseFactory, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime[Settings]]:
    """The keys `reader`, `writer` and `editor` (both scopes) are their holders' names."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings(
        database_url=SecretStr(await database("user-service")),
        database_pool_size=5,
        api_keys=(_key("reader", "read"), _key("writer", "write"), _key("editor", "read", "write")),
        time_lapse=True,
    )
    async with open_runtime(settings, name="user-service") as opened:
        yield opened


@pytest.fixture
async def api(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the scopes `read` and `write`."""
    transport = httpx.ASGITransport(SERVICE.app(runtime))
    headers = {"Authorization": "Bearer editor"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


@pytest.fixture
def ada() -> dict[str, Any]:
    """A user with every field."""
    return {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "dateOfBirth": "1990-12-10",
        "timezone": "Europe/London",
        "email": "Ada@example.org",
        "phone": "+442071234567",
        "tags": ["engine", "vip"],
        "deliveryTime": "08:30:00",
    }


@pytest.fixture
def stored(runtime: Runtime[Settings]) -> Callable[[], Awaitable[Mapping[str, list[Any]]]]:
    """All that is in the tables that a request may change, in the order in which it came."""

    async def read() -> Mapping[str, list[Any]]:
        async with runtime.database.read() as connection:
            return {
                "users": list(await connection.execute(text("SELECT * FROM users ORDER BY id"))),
                "outbox": list(await connection.execute(text("SELECT type, item FROM outbox ORDER BY id"))),
                "keys": list(await connection.execute(text("SELECT * FROM idempotency_keys ORDER BY key"))),
                "imports": list(await connection.execute(text("SELECT * FROM imports ORDER BY id"))),
                "import_errors": list(
                    await connection.execute(text("SELECT * FROM import_errors ORDER BY import_id, line"))
                ),
            }

    return read


@pytest.fixture
def stop_clock(runtime: Runtime[Settings]) -> Callable[[datetime], Awaitable[None]]:
    """Let the service's clock stand still at an instant."""

    async def stop(instant: datetime) -> None:
        async with runtime.database.transaction() as tx:
            await write_clock_map(tx, ClockMap(real_anchor=instant, simulated_anchor=instant, speed=0))
        await runtime.clock.refresh()

    return stop
