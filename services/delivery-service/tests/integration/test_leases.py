"""What a worker holds, and what becomes of it when the worker does not come back (design §6.4, §6.6, §6.7)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database import Database
from chassis.messaging.consumer import Rejection
from chassis.outbox import Outbox
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import Priority
from delivery_service.adapters import claims
from delivery_service.application.pool import DeliveryPool
from delivery_service.application.recording import record
from delivery_service.application.retention import Retention
from delivery_service.domain.deliveries import DeliveryStatus, Lease, Result
from local_stack.testkit import Answer, Receiver, eventually

Due = Callable[..., dict[str, Any]]
Receive = Callable[..., Awaitable[Sequence[Rejection]]]
NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]
OpenPool = Callable[..., AbstractAsyncContextManager[DeliveryPool]]
Outcomes = Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]
Rows = Callable[..., Awaitable[list[Any]]]

ANYTHING = claims.Rooms({}, 100)
EXPIRE = "UPDATE deliveries SET due_at = clock_timestamp() - interval '1 second' WHERE status = 'PENDING'"


async def test_what_a_dead_worker_held_is_sent_by_another_with_the_same_id(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    await new_endpoint(store)
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    due = due_event()
    async with open_pool(store, claiming=False) as dead:
        await receive(dead, due)
        await receiver.wait_for(1)
        await rows(store, EXPIRE)
        async with open_pool(store):
            [item] = await eventually(lambda: outcomes(store))
        # It was not dead after all: what it brings now is fenced off.
        gate.set()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [due["eventId"]] * 2
    assert item.endpoints[0].attempts == 1
    assert len(await outcomes(store)) == 1
    assert len(await rows(store, "SELECT number FROM attempts")) == 1


async def test_a_result_whose_lease_has_passed_on_changes_nothing(
    store: Database,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    await new_endpoint(store)
    async with open_pool(store, claiming=False) as pool:
        pool.close()
        await receive(pool, due_event())
    held = []
    for _ in range(2):
        await rows(store, EXPIRE)
        async with store.transaction() as tx:
            held += (await claims.claim(tx, Priority.CRITICAL, 10, Lease.begin(90), ANYTHING)).dispatches
    old, new = held
    assert (await record(store, Outbox(), [Result(old, DeliveryStatus.SUCCEEDED)])).recorded == []
    assert await outcomes(store) == []
    batch = await record(store, Outbox(), [Result(new, DeliveryStatus.SUCCEEDED)])
    assert [each.delivery_id for each in batch.recorded] == [new.delivery_id]
    assert len(await outcomes(store)) == 1


async def test_two_claimers_never_hold_the_same_delivery(
    store: Database,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
) -> None:
    await new_endpoint(store)
    async with open_pool(store, claiming=False) as pool:
        pool.close()
        await receive(pool, *(due_event() for _ in range(40)))

    async def claim() -> list[UUID]:
        async with store.transaction() as tx:
            claimed = await claims.claim(tx, Priority.CRITICAL, 10, Lease.begin(90), ANYTHING)
        return [each.delivery_id for each in claimed.dispatches]

    held = [delivery_id for claimed in await asyncio.gather(*(claim() for _ in range(8))) for delivery_id in claimed]
    assert len(held) == len(set(held)) == 40


async def test_a_worker_that_stops_finishes_what_it_sends_and_releases_the_rest(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    await new_endpoint(store)
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    async with open_pool(store, slots=4, claiming=False) as pool:
        await receive(pool, *(due_event() for _ in range(5)))
        await receiver.wait_for(2)
        pool.close()
        gate.set()
        await pool.drain(5)
        assert len(await outcomes(store)) == 2
        waiting = await rows(
            store, "SELECT lease, due_at <= clock_timestamp() AS due FROM deliveries WHERE status = 'PENDING'"
        )
        assert waiting == [(None, True)] * 3
    assert len(receiver.requests) == 2


async def test_an_attempt_that_outlasts_the_grace_period_is_given_to_another_worker(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    await new_endpoint(store)
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    due = due_event()
    async with open_pool(store, claiming=False, grace_seconds=0.1) as pool:
        await receive(pool, due)
        await receiver.wait_for(1)
    async with open_pool(store):
        await eventually(lambda: outcomes(store))
    gate.set()
    assert [request.headers["webhook-id"] for request in receiver.requests] == [due["eventId"]] * 2


async def test_what_waited_too_long_for_a_slot_is_released_rather_than_sent(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    rows: Rows,
) -> None:
    await new_endpoint(store)
    # The lease is shorter than the endpoint's 30 s and the time to record.
    async with open_pool(store, lease_seconds=35, claiming=False) as pool:
        await receive(pool, due_event())
        await eventually(lambda: rows(store, "SELECT 1 FROM deliveries WHERE lease IS NULL AND status = 'PENDING'"))
    assert receiver.requests == []


async def test_an_endpoint_that_hangs_holds_only_its_own_priority(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    gate = asyncio.Event()
    async with Receiver() as hanging:
        hanging.always(Answer(gate=gate))
        await new_endpoint(store, url=hanging.url, event_types=("NOTIFICATION",))
        await new_endpoint(store, event_types=("BIRTHDAY",))
        async with (
            open_pool(store, priority=Priority.LOW, slots=10) as low,
            open_pool(store, priority=Priority.CRITICAL, slots=10) as critical,
        ):
            flood = [due_event(event_type="NOTIFICATION", priority="LOW") for _ in range(50)]
            await receive(low, *flood)
            await hanging.wait_for(5)
            await receive(critical, *(due_event() for _ in range(10)))
            await receiver.wait_for(10, timeout=5)
            assert len(hanging.requests) == 5
            gate.set()
            await eventually(lambda: _all(outcomes(store), 60))


async def test_the_claim_reads_only_what_is_due(
    store: Database,
    new_endpoint: NewEndpoint,
    rows: Rows,
) -> None:
    endpoint_id, _ = await new_endpoint(store)
    await rows(
        store,
        "INSERT INTO deliveries (id, event_id, endpoint_id, priority, status, due_at, finished_at)"
        " SELECT new_id(), gen_random_uuid(), :endpoint, abs(n % 4),"
        " CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'FAILED' END,"
        " clock_timestamp() + n * interval '1 second', CASE WHEN n % 10 <> 0 THEN clock_timestamp() END"
        " FROM generate_series(-100, 20000) n",
        endpoint=endpoint_id,
    )
    await rows(store, "ANALYZE deliveries")
    lease = Lease.begin(90)
    async with store.transaction() as tx:
        plan = await tx.execute(
            text(f"EXPLAIN {claims._CLAIM.text}"),
            {
                "priority": 0,
                "limit": 50,
                "lease": lease.token,
                "lease_seconds": lease.seconds,
                "rooms_of": [],
                "rooms": [],
                "default_room": 50,
                "probe_seconds": 60,
            },
        )
        lines = [line.strip() for line in plan.scalars()]
    assert not any("Seq Scan on deliveries" in line for line in lines), lines
    conditions = [line for line in lines if line.startswith("Index Cond: ((") and "due_at" in line]
    assert conditions, lines
    assert all("due_at <=" in condition and "endpoint_id =" in condition for condition in conditions)


async def test_what_ended_long_ago_is_forgotten_and_the_rest_kept(
    store: Database,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    await new_endpoint(store)
    old, recent, waiting = (due_event() for _ in range(3))
    async with open_pool(store) as pool:
        await receive(pool, old, recent)
        await eventually(lambda: _all(outcomes(store), 2))
    async with open_pool(store, claiming=False) as pool:
        pool.close()
        await receive(pool, waiting)
    await rows(
        store,
        "UPDATE events SET finished_at = finished_at - interval '31 days' WHERE id = :id",
        id=UUID(old["eventId"]),
    )
    await Retention(store, days=30, dead_letter_days=90).step()
    kept = {str(row.id) for row in await rows(store, "SELECT id FROM events")}
    assert kept == {recent["eventId"], waiting["eventId"]}
    assert {str(row.event_id) for row in await rows(store, "SELECT event_id FROM deliveries")} == kept
    assert len(await rows(store, "SELECT number FROM attempts")) == 1


async def _all(read: Awaitable[list[DeliveryOutcomeItem]], count: int) -> bool:
    return len(await read) == count
