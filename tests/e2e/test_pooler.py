"""All services with all their roles behind a transaction pooler, where nothing may be left in a session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from local_stack import ports
from local_stack.child import start
from local_stack.emulator import Emulator
from local_stack.pooler import MISSING, PGBOUNCER, Pooler
from local_stack.postgres import PostgresServer
from local_stack.services import ServiceProcess, kept_secret_key, run_once, service_environment, services
from local_stack.settings import StackSettings
from local_stack.testkit import AwsAccount, Receiver, eventually
from local_stack.testkit.plugin import DatabaseFactory
from local_stack.testkit.whole import KEY, People, RunningStack, due_in

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason=MISSING)


@pytest.fixture
async def pooled(
    postgres: PostgresServer, emulator: Emulator, aws: AwsAccount, database: DatabaseFactory, tmp_path: Path
) -> AsyncIterator[RunningStack]:
    """The four services, each with few sessions for many connections, and no connection of their own to listen on."""
    names = ("user_port", "event_port", "delivery_port", "analytics_port")
    settings = StackSettings.model_validate({"api_key": KEY, **{name: ports.free_port() for name in names}})
    pooler = Pooler(postgres, tmp_path / "pooler", ports.free_port())
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(pooler.start)
        stack.callback(pooler.kill)
        environment = {**aws.environment(), "DATABASE_POOLER": "true"}
        await run_once("topology", ["chassis", "topology", "apply"], environment, tmp_path / "topology.log")
        secret_key = kept_secret_key(tmp_path / "secret-key")
        for service in services(settings):
            url = await database(service.name)
            own = service_environment(service, settings, postgres, emulator, secret_key)
            own |= {**environment, "DATABASE_URL": pooler.url(url.rsplit("/", 1)[1])}
            child = await asyncio.to_thread(start, ServiceProcess(service, own, tmp_path / f"{service.name}.log"))
            stack.callback(child.stop, 20)
        user, event, delivery, analytics = (service.url for service in services(settings))
        yield RunningStack(user, event, delivery, analytics, inbox="", otlp_port=0)


async def test_a_user_is_greeted_and_the_next_birthday_scheduled(pooled: RunningStack, receiver: Receiver) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False) as http:
        answer = await http.post(f"{pooled.delivery}/v1/endpoints", json={"url": receiver.url})
        assert answer.status_code == 201, answer.text
        people = People(pooled, http, receiver)
        user = await people.create(**due_in(3))
        await people.is_greeted(user)
        completed = await people.has_event(user, "COMPLETED")
        following = await people.has_event(user, "PENDING")
        assert following["occurrence"] == str(int(completed["occurrence"]) + 1)

        async def counted() -> bool:
            overview = (await http.get(f"{pooled.analytics}/v1/metrics/overview")).json()
            return bool(overview["totals"]["completed"] == 1)

        await eventually(counted, timeout=20, interval=0.1)
