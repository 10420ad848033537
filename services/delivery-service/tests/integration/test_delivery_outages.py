"""Deliveries while the database is away, and on a clock that is not the real one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.clock import ClockMap, write_clock_map
from chassis.database import Database
from chassis.messaging.consumer import Rejection
from chassis.migrations import upgrade
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import OutcomeStatus
from delivery_service.application.pool import DeliveryPool
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from local_stack.testkit import Answer, Receiver, eventually

Due = Callable[..., dict[str, Any]]
Receive = Callable[..., Awaitable[Sequence[Rejection]]]
NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]
OpenPool = Callable[..., AbstractAsyncContextManager[DeliveryPool]]
Outcomes = Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]


async def test_a_result_waits_for_a_database_that_is_away(
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    server = PostgresServer(tmp_path / "data", ports.free_port(), NOT_DURABLE)
    server.start()
    try:
        url = await server.create_database("delivery")
        await upgrade(url, pytestconfig.rootpath / "services/delivery-service/migrations")
        database = Database(url)
        await new_endpoint(database)
        gate = asyncio.Event()
        receiver.always(Answer(gate=gate))
        async with open_pool(database) as pool:
            await receive(pool, due_event())
            await receiver.wait_for(1)
            server.stop()
            gate.set()
            await eventually(lambda: not database.available)
            server.start()
            [item] = await eventually(lambda: _when_back(database, outcomes), timeout=20)
        await database.close()
    finally:
        server.stop()
    assert item.status is OutcomeStatus.SUCCEEDED
    assert len(receiver.requests) == 1


async def test_expiry_follows_the_mapped_clock_and_retries_the_real_one(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    await new_endpoint(store)
    receiver.answer(500)
    now = datetime.now(UTC)
    async with store.transaction() as tx:
        await write_clock_map(tx, ClockMap(real_anchor=now, simulated_anchor=now + timedelta(hours=2), speed=0))
    expired, lasting = due_event(expires_in=timedelta(hours=1)), due_event(expires_in=timedelta(hours=3))
    async with open_pool(store) as pool:
        await receive(pool, expired, lasting)
        await eventually(lambda: _both(store, outcomes))
    items = {str(item.event_id): item for item in await outcomes(store)}
    assert items[expired["eventId"]].reason == "expired"
    assert items[lasting["eventId"]].status is OutcomeStatus.SUCCEEDED
    assert items[lasting["eventId"]].finished_at == now + timedelta(hours=2)
    assert len(receiver.requests) == 2


async def _when_back(database: Database, outcomes: Outcomes) -> list[DeliveryOutcomeItem]:
    await database.wait_available()
    return await outcomes(database)


async def _both(database: Database, outcomes: Outcomes) -> bool:
    return len(await outcomes(database)) == 2
