"""A worker's leases, and their fate when the worker does not come back."""

import asyncio
from uuid import UUID

from delivery_scene import Scene, due_event, receive
from sqlalchemy import text

from chassis.messaging.outbox import Outbox
from contracts.vocabulary import EventType, Priority
from delivery_service.adapters import claims, withdrawals
from delivery_service.application.recording import record
from delivery_service.application.retention import Retention
from delivery_service.domain.deliveries import DeliveryStatus, Lease, Result
from testkit import Answer, Receiver, eventually

ANYTHING = claims.Capacity({}, 100)
EXPIRE = "UPDATE deliveries SET due_at = clock_timestamp() - interval '1 second' WHERE status = 'PENDING'"


async def test_what_a_dead_worker_held_is_sent_by_another_with_the_same_id(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    due = due_event()
    async with scene.pool(claiming=False) as dead:
        await receive(dead, due)
        await receiver.wait_for(1)
        await scene.rows(EXPIRE)
        async with scene.pool():
            [item] = await scene.ended()
        # It was not dead after all: what it brings now is fenced off.
        gate.set()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [due["eventId"]] * 2
    assert item.endpoints[0].attempts == 1
    assert len(await scene.outcomes()) == 1
    assert len(await scene.rows("SELECT number FROM attempts")) == 1


async def test_a_result_whose_lease_has_passed_on_changes_nothing(scene: Scene) -> None:
    await scene.endpoint()
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, due_event())
    held = []
    for _ in range(2):
        await scene.rows(EXPIRE)
        async with scene.database.transaction() as tx:
            held += (await claims.claim(tx, Priority.CRITICAL, 10, Lease.begin(90), ANYTHING)).dispatches
    old, new = held
    assert (await record(scene.database, Outbox(), [Result(old, DeliveryStatus.SUCCEEDED)])).recorded == []
    assert await scene.outcomes() == []
    batch = await record(scene.database, Outbox(), [Result(new, DeliveryStatus.SUCCEEDED)])
    assert [each.delivery_id for each in batch.recorded] == [new.delivery_id]
    assert len(await scene.outcomes()) == 1


async def test_two_claimers_never_hold_the_same_delivery(scene: Scene) -> None:
    await scene.endpoint()
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, *(due_event() for _ in range(40)))

    async def claim() -> list[UUID]:
        async with scene.database.transaction() as tx:
            claimed = await claims.claim(tx, Priority.CRITICAL, 10, Lease.begin(90), ANYTHING)
        return [each.delivery_id for each in claimed.dispatches]

    held = [delivery_id for claimed in await asyncio.gather(*(claim() for _ in range(8))) for delivery_id in claimed]
    assert len(held) == len(set(held)) == 40


async def test_a_worker_that_stops_finishes_what_it_sends_and_releases_the_rest(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    async with scene.pool(slots=4, claiming=False) as pool:
        await receive(pool, *(due_event() for _ in range(5)))
        await receiver.wait_for(2)
        pool.close()
        gate.set()
        await pool.drain(5)
        assert len(await scene.outcomes()) == 2
        waiting = await scene.rows(
            "SELECT lease, due_at <= clock_timestamp() AS due FROM deliveries WHERE status = 'PENDING'"
        )
        assert waiting == [(None, True)] * 3
    assert len(receiver.requests) == 2


async def test_an_attempt_that_outlasts_the_grace_period_is_given_to_another_worker(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    due = due_event()
    async with scene.pool(claiming=False, grace_seconds=0.1) as pool:
        await receive(pool, due)
        await receiver.wait_for(1)
    async with scene.pool():
        await scene.ended()
    gate.set()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [due["eventId"]] * 2


async def test_delivery_that_waited_too_long_for_a_slot_is_released(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    # The lease is shorter than the endpoint's 30 s and the time to record.
    async with scene.pool(lease_seconds=35, claiming=False) as pool:
        await receive(pool, due_event())
        await eventually(lambda: scene.rows("SELECT 1 FROM deliveries WHERE lease IS NULL AND status = 'PENDING'"))
    assert receiver.requests == []


async def test_an_endpoint_that_hangs_holds_only_its_own_priority(scene: Scene, receiver: Receiver) -> None:
    gate = asyncio.Event()
    async with Receiver() as hanging:
        hanging.always(Answer(gate=gate))
        await scene.endpoint(url=hanging.url, event_types=("NOTIFICATION",))
        await scene.endpoint(event_types=("BIRTHDAY",))
        async with (
            scene.pool(priority=Priority.LOW, slots=10) as low,
            scene.pool(priority=Priority.CRITICAL, slots=10) as critical,
        ):
            flood = [due_event(event_type=EventType.NOTIFICATION, priority="LOW") for _ in range(50)]
            await receive(low, *flood)
            await hanging.wait_for(5)
            await receive(critical, *(due_event() for _ in range(10)))
            await receiver.wait_for(10, timeout=5)
            assert len(hanging.requests) == 5
            gate.set()
            await scene.ended(60)


async def test_the_claim_reads_only_what_is_due(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(
        "INSERT INTO deliveries (id, event_id, endpoint_id, priority, status, due_at, finished_at)"
        " SELECT new_id(), gen_random_uuid(), :endpoint, abs(n % 4),"
        " CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'FAILED' END,"
        " clock_timestamp() + n * interval '1 second', CASE WHEN n % 10 <> 0 THEN clock_timestamp() END"
        " FROM generate_series(-100, 20000) n",
        endpoint=endpoint_id,
    )
    await scene.rows("ANALYZE deliveries")
    lease = Lease.begin(90)
    async with scene.database.transaction() as tx:
        plan = await tx.execute(
            text(f"EXPLAIN {claims._SQL['claim'].text}"),
            {
                "priority": 0,
                "limit": 50,
                "lease": lease.token,
                "lease_seconds": lease.seconds,
                "rooms_of": [],
                "rooms": [],
                "default_room": 50,
                "probe_seconds": 60,
                "endpoint_ids": None,
            },
        )
        lines = [line.strip() for line in plan.scalars()]
    assert not any("Seq Scan on deliveries" in line for line in lines), lines
    conditions = [line for line in lines if line.startswith("Index Cond: ((") and "due_at" in line]
    assert conditions, lines
    assert all("due_at <=" in condition and "endpoint_id =" in condition for condition in conditions)


async def test_ending_an_endpoints_deliveries_does_not_read_its_history(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(
        "INSERT INTO deliveries (id, event_id, endpoint_id, priority, status, due_at, finished_at)"
        " SELECT new_id(), gen_random_uuid(), :endpoint, n % 4, CASE WHEN n % 100 = 0 THEN 'PENDING' ELSE 'FAILED' END,"
        " clock_timestamp() + n * interval '1 second', CASE WHEN n % 100 <> 0 THEN clock_timestamp() END"
        " FROM generate_series(1, 20000) n",
        endpoint=endpoint_id,
    )
    await scene.rows("ANALYZE deliveries")
    lease = Lease.begin(90)
    values = {
        "endpoint_id": endpoint_id,
        "priorities": list(Priority),
        "limit": 1_000,
        "lease": lease.token,
        "lease_seconds": lease.seconds,
    }
    async with scene.database.transaction() as tx:
        lines = (await tx.execute(text(f"EXPLAIN {withdrawals._SQL['lease_ended'].text}"), values)).scalars().all()
    assert any("deliveries_due" in line for line in lines), lines
    assert not any("Seq Scan on deliveries" in line or "deliveries_endpoint" in line for line in lines), lines


async def test_events_past_their_retention_are_deleted_and_others_kept(scene: Scene) -> None:
    await scene.endpoint()
    old, recent, waiting = (due_event() for _ in range(3))
    async with scene.pool() as pool:
        await receive(pool, old, recent)
        await scene.ended(2)
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, waiting)
    await scene.rows(
        "UPDATE events SET finished_at = finished_at - interval '31 days' WHERE id = :id",
        id=UUID(old["eventId"]),
    )
    await Retention(scene.database, days=30, dead_letter_days=90).step()
    kept = {str(row.id) for row in await scene.rows("SELECT id FROM events")}
    assert kept == {recent["eventId"], waiting["eventId"]}
    assert {str(row.event_id) for row in await scene.rows("SELECT event_id FROM deliveries")} == kept
    assert len(await scene.rows("SELECT number FROM attempts")) == 1
