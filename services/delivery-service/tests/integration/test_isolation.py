"""Endpoints do not hurt each other: slots, circuits, rate limits and switching off (design §5 "Per endpoint")."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from chassis.database import Database
from chassis.messaging.consumer import Rejection
from contracts.messages.delivery import DeliveryOutcomeItem, EndpointDisabledItem
from contracts.vocabulary import OutcomeStatus
from delivery_service.application import pool as pools
from delivery_service.application.pool import DeliveryPool
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.retries import RetryPolicy
from local_stack.testkit import Answer, Receiver, eventually

Due = Callable[..., dict[str, Any]]
Receive = Callable[..., Awaitable[Sequence[Rejection]]]
NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]
OpenPool = Callable[..., AbstractAsyncContextManager[DeliveryPool]]
Outcomes = Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]
Rows = Callable[..., Awaitable[list[Any]]]

PATIENT = RetryPolicy(max_tries=50, base=0.02, factor=1.0, cap=0.02, retry_after_cap=1.0)
TOUCHY = CircuitPolicy(min_attempts=5, open_seconds=0.3, open_cap_seconds=0.3)


async def test_endpoints_that_hang_leave_slots_for_the_others_and_cost_no_attempts(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    gate = asyncio.Event()
    async with Receiver() as hanging, Receiver() as also_hanging:
        for each in (hanging, also_hanging):
            each.always(Answer(gate=gate))
            await new_endpoint(store, url=each.url)
        await new_endpoint(store)
        async with open_pool(store, slots=12) as pool:
            for _ in range(4):
                await receive(pool, *(due_event() for _ in range(20)))
            await receiver.wait_for(80)
            under_way = len(hanging.requests), len(also_hanging.requests)
            # All but one slot may be theirs, half of all at most one's.
            assert sum(under_way) <= 11
            assert max(under_way) <= 6
            gate.set()
            await eventually(lambda: _all(outcomes(store), 80), timeout=20)
    assert all(item.status is OutcomeStatus.SUCCEEDED for item in await outcomes(store))
    [attempts] = await rows(store, "SELECT count(*), max(number) FROM attempts")
    assert tuple(attempts) == (240, 1)


async def test_an_endpoints_own_cap_is_kept(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    await new_endpoint(store, concurrency=2)
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    async with open_pool(store, slots=20) as pool:
        await receive(pool, *(due_event() for _ in range(10)))
        await receiver.wait_for(2)
        # Another endpoint's delivery goes out meanwhile, so there was time for a third.
        async with Receiver() as other:
            await new_endpoint(store, url=other.url)
            await receive(pool, due_event())
            await other.wait_for(1)
        assert len(receiver.requests) == 2
        gate.set()
        await eventually(lambda: _all(outcomes(store), 11), timeout=20)


async def test_an_open_circuit_holds_deliveries_back_without_attempts_until_a_probe_succeeds(
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
    receiver.always(503)
    async with open_pool(store, policy=PATIENT, circuits=TOUCHY) as pool:
        await receive(pool, *(due_event() for _ in range(5)))
        await eventually(lambda: rows(store, "SELECT 1 FROM circuits WHERE state = 'OPEN'"))
        # Another worker obeys too: what comes now waits for the probes, which are one at a time.
        async with open_pool(store, policy=PATIENT, circuits=TOUCHY) as other:
            await receive(other, *(due_event() for _ in range(20)))
            tried = len(receiver.requests)
            await eventually(lambda: rows(store, "SELECT 1 FROM circuits WHERE trips >= 3"))
            assert len(receiver.requests) - tried <= 5
            receiver.always(200)
            await eventually(lambda: _all(outcomes(store), 25), timeout=20)
    assert all(item.status is OutcomeStatus.SUCCEEDED for item in await outcomes(store))
    [circuit] = await rows(store, "SELECT state, in_row, trips FROM circuits")
    assert tuple(circuit) == ("CLOSED", 0, 0)


async def test_what_waits_for_an_open_circuit_ends_as_expired_in_time(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pools, "EXPIRY_SECONDS", 0.1)
    endpoint_id, _ = await new_endpoint(store)
    await rows(
        store,
        "INSERT INTO circuits VALUES (:id, 'OPEN', 10, 10, clock_timestamp(), 10, clock_timestamp(), 1,"
        " clock_timestamp() + interval '1 hour')",
        id=endpoint_id,
    )
    async with open_pool(store) as pool:
        await receive(pool, due_event(expires_in=timedelta(seconds=0.5)), due_event())
        [item] = await eventually(lambda: outcomes(store))
    assert (item.reason, item.endpoints[0].attempts, receiver.requests) == ("expired", 0, [])
    assert len(await rows(store, "SELECT 1 FROM deliveries WHERE status = 'PENDING'")) == 1


async def test_a_rate_limit_defers_and_never_drops_and_is_shared_by_workers(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    await new_endpoint(store, rate_limit=20.0)
    started = time.monotonic()
    async with open_pool(store) as pool, open_pool(store):
        await receive(pool, *(due_event() for _ in range(50)))
        await receiver.wait_for(50, timeout=20)
        elapsed = time.monotonic() - started
        await eventually(lambda: _all(outcomes(store), 50))
    # A second's worth at once, then twenty a second.
    assert elapsed >= 30 / 20 - 0.1
    first, last = receiver.requests[0].received_at, receiver.requests[-1].received_at
    assert (last - first).total_seconds() >= 30 / 20 - 0.2
    assert all(item.endpoints[0].attempts == 1 for item in await outcomes(store))


async def test_an_endpoint_that_is_gone_is_switched_off_and_that_is_published(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
    rows: Rows,
) -> None:
    endpoint_id, _ = await new_endpoint(store)
    receiver.always(410)
    async with open_pool(store) as pool:
        await receive(pool, due_event())
        [item] = await eventually(lambda: outcomes(store))
        await receive(pool, due_event())
    assert item.reason == "gone"
    [endpoint] = await rows(store, "SELECT enabled, disabled_reason, version, disabled_at FROM endpoints")
    assert (endpoint.enabled, endpoint.disabled_reason, endpoint.version) == (False, "it answered 410 Gone", 2)
    [published] = await rows(store, "SELECT item FROM outbox WHERE type = 'EndpointDisabled'")
    said = EndpointDisabledItem.model_validate_json(published.item)
    assert (said.endpoint_id, said.reason, said.failures, said.http_status) == (endpoint_id, "gone", 1, 410)
    assert (await outcomes(store))[-1].reason == "no_endpoint"
    assert len(receiver.requests) == 1


async def test_an_endpoint_that_only_fails_is_switched_off_after_so_many_attempts_or_days(
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
    receiver.always(400)
    async with open_pool(store, circuits=CircuitPolicy(disable_failures=3)) as pool:
        for count in range(1, 4):
            await receive(pool, due_event())
            await eventually(partial(_come, outcomes, store, count))
    [endpoint] = await rows(store, "SELECT enabled, disabled_reason FROM endpoints")
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "3 attempts failed in a row")
    # Switched on again it has a clean slate, and fails once more after days of nothing but failures.
    await rows(store, "UPDATE endpoints SET enabled = true, disabled_reason = NULL, disabled_at = NULL")
    async with open_pool(store, circuits=CircuitPolicy(disable_seconds=86_400)) as pool:
        await receive(pool, due_event())
        await eventually(lambda: _all(outcomes(store), 4))
        await rows(store, "UPDATE circuits SET failing_since = failing_since - interval '1 day'")
        await receive(pool, due_event())
        await eventually(lambda: _all(outcomes(store), 5))
    [endpoint] = await rows(store, "SELECT enabled, disabled_reason FROM endpoints")
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "every attempt has failed for 1.0 days")


async def _all(read: Awaitable[list[DeliveryOutcomeItem]], count: int) -> bool:
    return len(await read) == count


async def _come(outcomes: Outcomes, store: Database, count: int) -> bool:
    return await _all(outcomes(store), count)
