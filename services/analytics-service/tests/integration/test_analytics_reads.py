"""Where queries are answered, with a real streaming replica."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from analytics_service.application.facts import record
from analytics_service.domain.facts import Fact, Kind
from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.service.runtime import open_runtime
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit import frozen_replica


async def test_queries_may_come_from_the_replica_unless_no_cache_is_asked_for(
    settings: Settings, postgres: PostgresServer, shared_standby: StandbyServer
) -> None:
    database = settings.database_url.get_secret_value().rsplit("/", 1)[1]
    with_replica = settings.model_copy(
        update={
            "database_replica_url": SecretStr(shared_standby.url(database)),
            "database_replica_max_lag_seconds": 60.0,
        }
    )
    fresh = {"Cache-Control": "no-cache"}

    def fact(event_id: UUID, kind: Kind = Kind.COMPLETED) -> Fact:
        return Fact(
            uuid7(), kind, datetime.now(UTC), "event-service", event_id=event_id, event_type="BIRTHDAY",
            priority=0,
        )  # fmt: skip

    async with open_runtime(with_replica, name="analytics-service") as runtime:
        transport = httpx.ASGITransport(app=SERVICE.app(runtime))
        headers = {"Authorization": "Bearer reader"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            known = uuid4()
            await record(runtime.database, [fact(known)])
            async with frozen_replica(runtime.database, postgres, shared_standby):
                new = uuid4()
                await record(runtime.database, [fact(known, Kind.PUBLISHED), fact(new)])
                answers = [await client.get("/v1/metrics/overview", headers=each) for each in ({}, fresh)]
                assert [each.json()["totals"]["completed"] for each in answers] == [1, 2]
                timeline = f"/v1/events/{known}/timeline"
                answers = [await client.get(timeline, headers=each) for each in ({}, fresh)]
                assert [len(each.json()["entries"]) for each in answers] == [1, 2]
                assert (await client.get(f"/v1/events/{new}/timeline")).status_code == 200
