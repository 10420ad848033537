"""Deliveries while the database is away, and on a clock that is not the real one."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from delivery_scene import Scene, due_event, receive

from chassis.clock import ClockMap, write_clock_map
from chassis.database import Database
from chassis.migrations import upgrade
from contracts.vocabulary import OutcomeStatus
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from local_stack.testkit import Answer, Receiver, eventually


async def test_a_result_waits_for_a_database_that_is_away(
    receiver: Receiver,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    server = PostgresServer(tmp_path / "data", ports.free_port(), NOT_DURABLE)
    server.start()
    try:
        url = await server.create_database("delivery")
        await upgrade(url, pytestconfig.rootpath / "services/delivery-service/migrations")
        database = Database(url)
        scene = Scene(database, receiver)
        await scene.endpoint()
        gate = asyncio.Event()
        receiver.always(Answer(gate=gate))
        async with scene.pool() as pool:
            await receive(pool, due_event())
            await receiver.wait_for(1)
            server.stop()
            gate.set()
            await eventually(lambda: not database.available)
            server.start()
            await database.wait_available()
            [item] = await scene.ended()
        await database.close()
    finally:
        server.stop()
    assert item.status is OutcomeStatus.SUCCEEDED
    assert len(receiver.requests) == 1


async def test_expiry_follows_the_mapped_clock_and_retries_the_real_one(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.answer(500)
    now = datetime.now(UTC)
    async with scene.database.transaction() as tx:
        await write_clock_map(tx, ClockMap(real_anchor=now, simulated_anchor=now + timedelta(hours=2), speed=0))
    expired, lasting = due_event(expires_in=timedelta(hours=1)), due_event(expires_in=timedelta(hours=3))
    async with scene.pool() as pool:
        await receive(pool, expired, lasting)
        await scene.ended(2)
    items = {str(item.event_id): item for item in await scene.outcomes()}
    assert items[expired["eventId"]].reason == "expired"
    assert items[lasting["eventId"]].status is OutcomeStatus.SUCCEEDED
    assert items[lasting["eventId"]].finished_at == now + timedelta(hours=2)
    assert len(receiver.requests) == 2
