"""Deliveries while the database is unreachable, and on a clock that is not the real one."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from delivery_scene import Scene, due_event, receive

from chassis.database.clock import ClockMap, DatabaseClock, write_clock_map
from chassis.database.database import Database
from chassis.database.migrations import upgrade
from contracts.vocabulary import OutcomeStatus
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import Answer, Receiver, eventually


async def test_result_waits_for_an_unreachable_database(
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


DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


@pytest.mark.parametrize(("respect", "sent"), [(True, 1), (None, 2)], ids=["respected", "ignored"])
async def test_webhook_waits_for_the_window_in_simulated_time_where_its_endpoint_asks_for_it(
    scene: Scene, receiver: Receiver, *, respect: bool | None, sent: int
) -> None:
    """At night by Almanac's clock, whatever the hour is in real time: one event has a window, the other has none."""
    await scene.endpoint(respect_send_window=respect)
    night, now = datetime(2027, 2, 28, 2, tzinfo=UTC), datetime.now(UTC)
    async with scene.database.transaction() as tx:
        await write_clock_map(tx, ClockMap(real_anchor=now, simulated_anchor=night, speed=1))
    clock = DatabaseClock(scene.database, time_lapse=True)
    await clock.refresh()
    window = {"timezone": "Etc/UTC", "hours": [{"days": DAYS, "from": "08:00:00", "until": "20:00:00"}]}
    lasting = (night + timedelta(days=1)).isoformat()
    kept, free = due_event(expiresAt=lasting, sendWindow=window), due_event(expiresAt=lasting)
    async with scene.pool(clock=clock) as pool:
        await receive(pool, kept, free)
        await scene.ended(sent)
        if respect:
            await eventually(lambda: _waiting(scene))
            # The day comes: the waiting delivery is due, and then sent.
            clock_map = ClockMap(real_anchor=now, simulated_anchor=night + timedelta(hours=7), speed=1)
            async with scene.database.transaction() as tx:
                await write_clock_map(tx, clock_map)
            await clock.refresh()
            await scene.rows("UPDATE deliveries SET due_at = clock_timestamp() WHERE status = 'PENDING'")
            pool.wake.set()
        await scene.ended(2)
    assert len(receiver.requests) == 2
    attempts = await scene.rows("SELECT attempts FROM deliveries")
    assert [each.attempts for each in attempts] == [1, 1]


async def _waiting(scene: Scene) -> list[Any]:
    """Deliveries that wait six hours, without an attempt so far."""
    return await scene.rows(
        "SELECT id FROM deliveries WHERE status = 'PENDING' AND lease IS NULL AND attempts = 0"
        " AND due_at - clock_timestamp() BETWEEN interval '5 hours 55 minutes' AND interval '6 hours'"
    )
