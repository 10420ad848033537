"""The service in this process, on a database and an AWS account of the test's own."""

import hashlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from event_scenario import RULES, Scenario, open_without_bus
from holiday_releases import HolidayReleases
from pydantic import SecretStr
from reminders import Reminders

from chassis.core.settings import ApiKey, Scope
from chassis.messaging import provisioning
from chassis.service.runtime import Runtime, open_runtime
from contracts.vocabulary import EventType
from event_service.main import SERVICE
from event_service.settings import Settings
from testkit import AwsAccount
from testkit.plugin import DatabaseFactory


def _key(name: str, *scopes: Scope) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scopes=frozenset(scopes))


@pytest.fixture
async def settings(database: DatabaseFactory) -> Settings:
    """The keys `reader`, `writer` and `editor` are their holders' names."""
    return Settings(
        database_url=SecretStr(await database("event-service")),
        api_keys=(_key("reader", "read"), _key("writer", "write"), _key("editor", "read", "write")),
        reminder_message=RULES[EventType.REMINDER].message,
        time_lapse=True,
    )


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime[Settings]]:
    """Without a bus behind it."""
    async with open_without_bus(settings) as opened:
        yield opened


@pytest.fixture
async def connected(
    settings: Settings, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime[Settings]]:
    """With the topology on a bus of the test's own."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    there = settings.model_copy(
        update={"aws_endpoint_url": aws.endpoint_url, "aws_account_id": aws.access_key_id, "aws_region": aws.region}
    )
    async with open_runtime(there, name="event-service") as opened:
        await provisioning.apply(opened.bus)
        yield opened


@pytest.fixture
def scenario(runtime: Runtime[Settings]) -> Scenario:
    return Scenario(runtime)


@pytest.fixture
async def api(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the scope `read`."""
    async with _client(runtime, "reader") as client:
        yield client


@pytest.fixture
async def editor(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the scopes `read` and `write`."""
    async with _client(runtime, "editor") as client:
        yield client


def _client(runtime: Runtime[Settings], key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(SERVICE.app(runtime))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
async def reminders(scenario: Scenario, editor: httpx.AsyncClient) -> Reminders:
    """Of Ada in New York; it is Thursday, 1 October 2026, 8 in the evening there on the day before."""
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return Reminders(scenario, editor, user.user_id)


@pytest.fixture
def holiday_releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[HolidayReleases]:
    """The releases of the holidays package that this process has, one after the other."""
    releases = HolidayReleases(monkeypatch)
    yield releases
    releases.restore()
