"""All services with all their roles behind a transaction pooler, where nothing may be left in a session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from local_stack import ports
from local_stack.emulator import Emulator
from local_stack.pooler import MISSING, PGBOUNCER, Pooler
from local_stack.postgres import PostgresServer
from testkit import AwsAccount, Receiver, eventually
from testkit.full_stack import KEY, People, RunningStack, due_in
from testkit.plugin import DatabaseFactory
from testkit.services import SERVICES, running_services

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason=MISSING)


@pytest.fixture
async def pooled(
    postgres: PostgresServer, emulator: Emulator, aws: AwsAccount, database: DatabaseFactory, tmp_path: Path
) -> AsyncIterator[RunningStack]:
    """The four services, each with few sessions for many connections, and no connection of their own to listen on."""
    pooler = Pooler(postgres, tmp_path / "pooler", ports.free_port())
    await asyncio.to_thread(pooler.start)
    try:
        names = [(await database(service)).rsplit("/", 1)[1] for service in SERVICES]
        own = {service: {"DATABASE_URL": pooler.url(name)} for service, name in zip(SERVICES, names, strict=True)}
        environment = {**aws.environment(), "DATABASE_POOLER": "true"}
        async with running_services(tmp_path, postgres, emulator, environment, own) as running:
            yield running
    finally:
        pooler.kill()


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

        await eventually(counted, interval=0.1)
