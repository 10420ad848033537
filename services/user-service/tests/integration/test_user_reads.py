"""Where reads are answered, with a real streaming replica."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chassis.service.runtime import Runtime, open_runtime
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit import frozen_replica
from user_service.main import SERVICE
from user_service.settings import Settings


@pytest.fixture
async def replicated(runtime: Runtime[Settings], shared_standby: StandbyServer) -> AsyncIterator[Runtime[Settings]]:
    """Reads the replica however old it is."""
    database = runtime.database.url.rsplit("/", 1)[1]
    with_replica = runtime.settings.model_copy(
        update={
            "database_replica_url": SecretStr(shared_standby.url(database)),
            "database_replica_max_lag_seconds": 60.0,
        }
    )
    async with open_runtime(with_replica, name="user-service") as opened:
        yield opened


async def test_reads_may_come_from_the_replica_and_who_asks_for_no_cache_reads_its_own_writes(
    replicated: Runtime[Settings], postgres: PostgresServer, shared_standby: StandbyServer, ada: dict[str, Any]
) -> None:
    transport = httpx.ASGITransport(SERVICE.app(replicated))
    headers = {"Authorization": "Bearer editor"}
    fresh = {"Cache-Control": "no-cache"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as api:
        created = await api.post("/v1/users", json=ada)
        one, by_email = created.headers["Location"], f"/v1/users?email={ada['email']}"
        async with frozen_replica(replicated.database, postgres, shared_standby):
            await api.patch(one, json={"firstName": "Augusta"}, headers={"If-Match": "*"})
            old, new = await api.get(one), await api.get(one, headers=fresh)
            assert [(each.json()["firstName"], each.headers["ETag"]) for each in (old, new)] == [
                ("Ada", '"1"'),
                ("Augusta", '"2"'),
            ]
            listed = [await api.get(by_email), await api.get(by_email, headers=fresh)]
            assert [each.json()["items"][0]["firstName"] for each in listed] == ["Ada", "Augusta"]
            # What the replica does not have may be new, so a user who was created a moment ago is there.
            second = await api.post("/v1/users", json=ada | {"firstName": "Grace"})
            assert (await api.get(second.headers["Location"])).json()["firstName"] == "Grace"
