"""Endpoints do not hurt each other: slots, circuits, rate limits and switching off (docs/architecture.md#isolation)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from delivery_scene import SECURITY, Scene, due_event, receive

from chassis.database.clock import DatabaseClock
from chassis.database.database import Database
from chassis.messaging.outbox import Outbox
from contracts.messages.delivery import DeliveryOutcomeItem, EndpointDisabledItem
from contracts.vocabulary import OutcomeStatus, Priority
from delivery_service.adapters import circuits, claims
from delivery_service.application import claimer as claimers
from delivery_service.application.endpoints import update_endpoint
from delivery_service.domain.circuits import CircuitPolicy, Tally
from delivery_service.domain.deliveries import Lease, Target
from delivery_service.domain.disabling import DisablePolicy
from delivery_service.domain.retries import RetryPolicy
from testkit import Answer, Receiver, eventually

Outcomes = Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]

PATIENT = RetryPolicy(max_tries=50, base=0.02, factor=1.0, cap=0.02, retry_after_cap=1.0)
PAUSED = "SELECT trips, CAST(extract(epoch FROM probe_at - clock_timestamp()) AS float8) AS seconds"
TOUCHY = CircuitPolicy(min_attempts=5, open_seconds=0.3, open_cap_seconds=0.3)


async def test_endpoints_that_hang_leave_slots_for_the_others_and_cost_no_attempts(
    scene: Scene,
    receiver: Receiver,
) -> None:
    gate = asyncio.Event()
    async with Receiver() as hanging, Receiver() as also_hanging:
        for each in (hanging, also_hanging):
            each.always(Answer(gate=gate))
            await scene.endpoint(url=each.url)
        await scene.endpoint()
        async with scene.pool(slots=12) as pool:
            for _ in range(4):
                await receive(pool, *(due_event() for _ in range(20)))
            await receiver.wait_for(80)
            # Half of the slots at most are one's.
            assert len(hanging.requests) <= 6
            assert len(also_hanging.requests) <= 6
            gate.set()
            await scene.ended(80)
    assert all(item.status is OutcomeStatus.SUCCEEDED for item in await scene.outcomes())
    [attempts] = await scene.rows("SELECT count(*), max(number) FROM attempts")
    assert tuple(attempts) == (240, 1)


async def test_an_endpoints_own_cap_is_kept(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint(concurrency=2)
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    async with scene.pool(slots=20) as pool:
        await receive(pool, *(due_event() for _ in range(10)))
        await receiver.wait_for(2)
        # Another endpoint's delivery goes out meanwhile, so there was time for a third.
        async with Receiver() as other:
            await scene.endpoint(url=other.url)
            await receive(pool, due_event())
            await other.wait_for(1)
        assert len(receiver.requests) == 2
        gate.set()
        await scene.ended(11)


async def test_an_open_circuit_holds_deliveries_back_without_attempts_until_a_probe_succeeds(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint()
    receiver.always(503)
    async with scene.pool(policy=PATIENT, circuits=TOUCHY) as pool:
        await receive(pool, *(due_event() for _ in range(5)))
        await eventually(lambda: scene.rows("SELECT 1 FROM circuits WHERE state = 'OPEN'"))
        # Another worker respects it too: new deliveries wait for the probes, which are one at a time.
        async with scene.pool(policy=PATIENT, circuits=TOUCHY) as other:
            await receive(other, *(due_event() for _ in range(20)))
            tried = len(receiver.requests)
            await eventually(lambda: scene.rows("SELECT 1 FROM circuits WHERE trips >= 3"))
            assert len(receiver.requests) - tried <= 5
            receiver.always(200)
            await scene.ended(25)
    assert all(item.status is OutcomeStatus.SUCCEEDED for item in await scene.outcomes())
    [circuit] = await scene.rows("SELECT state, in_row, trips FROM circuits")
    assert tuple(circuit) == ("CLOSED", 0, 0)


async def test_a_pause_that_a_receiver_asks_for_holds_for_all_that_waits_and_costs_no_attempts(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint()
    receiver.answer(Answer(429, headers={"Retry-After": "120"}))
    patient = RetryPolicy(max_tries=3, base=0.05, factor=2, cap=0.1, retry_after_cap=900)
    async with scene.pool(policy=patient) as pool, scene.pool(policy=patient) as other:
        await receive(pool, due_event())
        [circuit] = await eventually(lambda: scene.rows(f"{PAUSED} FROM circuits WHERE state = 'OPEN'"))
        assert 110 < circuit.seconds <= 120
        # It is no failure: nothing has tripped, so the next pause is no longer for it.
        assert circuit.trips == 0
        await receive(other, *(due_event() for _ in range(5)))
        held = "SELECT 1 FROM deliveries WHERE lease IS NULL AND attempts = 0"
        assert len(await scene.rows(held)) == 5
        assert len(receiver.requests) == 1
        await scene.rows("UPDATE circuits SET probe_at = clock_timestamp()")
        items = await scene.ended(5)
    assert {(item.status, item.endpoints[0].attempts) for item in items} == {(OutcomeStatus.SUCCEEDED, 1)}


async def test_an_endpoint_that_refuses_its_probe_has_answered(scene: Scene, receiver: Receiver) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(
        "INSERT INTO circuits VALUES (:id, 'OPEN', 10, 10, clock_timestamp(), 10, clock_timestamp(), 1,"
        " clock_timestamp())",
        id=endpoint_id,
    )
    receiver.answer(400)
    async with scene.pool() as pool:
        await receive(pool, due_event(), due_event())
        items = await scene.ended(2)
    assert sorted(item.reason or "" for item in items) == ["", "rejected"]


async def test_probe_goes_before_due_deliveries_of_other_endpoints(scene: Scene) -> None:
    broken, _ = await scene.endpoint()
    for _ in range(10):
        await scene.endpoint()
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, due_event())
    await scene.rows(
        "INSERT INTO circuits VALUES (:id, 'OPEN', 10, 10, clock_timestamp(), 10, clock_timestamp(), 1,"
        " clock_timestamp())",
        id=broken,
    )
    async with scene.database.transaction() as tx:
        claimed = await claims.claim(tx, Priority.CRITICAL, 1, Lease.begin(90), claims.Capacity({}, 100))
    [probe] = claimed.dispatches
    assert isinstance(probe.target, Target)
    assert probe.target.endpoint_id == broken


async def test_delivery_waiting_for_an_open_circuit_ends_as_expired_in_time(
    scene: Scene,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claimers, "EXPIRY_SECONDS", 0.1)
    endpoint_id, _ = await scene.endpoint()
    await scene.rows(
        "INSERT INTO circuits VALUES (:id, 'OPEN', 10, 10, clock_timestamp(), 10, clock_timestamp(), 1,"
        " clock_timestamp() + interval '1 hour')",
        id=endpoint_id,
    )
    async with scene.pool() as pool:
        await receive(pool, due_event(expires_in=timedelta(seconds=0.5)), due_event())
        [item] = await scene.ended()
    assert (item.reason, item.endpoints[0].attempts, receiver.requests) == ("expired", 0, [])
    assert len(await scene.rows("SELECT 1 FROM deliveries WHERE status = 'PENDING'")) == 1


async def test_a_rate_limit_defers_and_never_drops_and_is_shared_by_workers(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint(rate_limit=20.0)
    started = time.monotonic()
    async with scene.pool() as pool, scene.pool():
        await receive(pool, *(due_event() for _ in range(50)))
        await receiver.wait_for(50)
        elapsed = time.monotonic() - started
        await scene.ended(50)
    # A second's worth at once, then twenty a second.
    assert elapsed >= 30 / 20 - 0.1
    first, last = receiver.requests[0].received_at, receiver.requests[-1].received_at
    assert (last - first).total_seconds() >= 30 / 20 - 0.2
    assert all(item.endpoints[0].attempts == 1 for item in await scene.outcomes())


async def test_an_endpoint_that_is_gone_is_switched_off_and_that_is_published(scene: Scene, receiver: Receiver) -> None:
    endpoint_id, _ = await scene.endpoint()
    receiver.always(410)
    async with scene.pool() as pool:
        await receive(pool, due_event())
        [item] = await scene.ended()
        await receive(pool, due_event())
    assert item.reason == "gone"
    [endpoint] = await scene.rows("SELECT enabled, disabled_reason, version, disabled_at FROM endpoints")
    assert (endpoint.enabled, endpoint.disabled_reason, endpoint.version) == (False, "it answered 410 Gone", 2)
    [published] = await scene.rows("SELECT item FROM outbox WHERE type = 'EndpointDisabled'")
    said = EndpointDisabledItem.model_validate_json(published.item)
    assert (said.endpoint_id, said.reason, said.failures, said.http_status) == (endpoint_id, "gone", 1, 410)
    assert (await scene.outcomes())[-1].reason == "no_endpoint"
    assert len(receiver.requests) == 1


async def test_an_endpoint_that_moves_while_it_is_switched_off_does_both_in_turn(scene: Scene) -> None:
    endpoint_id, _ = await scene.endpoint()
    await scene.rows("INSERT INTO circuits VALUES (:id, 'CLOSED', 1, 1, clock_timestamp(), 1, NULL, 0)", id=endpoint_id)
    clock = DatabaseClock(scene.database, time_lapse=False)
    gone = Tally(endpoint_id, 1, 1, succeeded=False, trailing=1, gone=True, http_status=410)
    async with scene.database.transaction() as tx:
        await circuits.count(tx, [gone], CircuitPolicy())
        patch = {"url": "https://example.org/new"}
        moving = asyncio.create_task(
            update_endpoint(scene.database, Outbox(), clock, SECURITY, endpoint_id, patch, None)
        )
        await eventually(lambda: scene.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
        assert await circuits.disable(tx, endpoint_id, "it answered 410 Gone") is not None
    moved = await moving
    assert (moved.config.url, moved.config.enabled, moved.version) == (patch["url"], False, 3)


async def test_failing_endpoint_is_disabled_after_the_minimum_time_and_a_warning(
    scene: Scene, receiver: Receiver
) -> None:
    await scene.endpoint()
    receiver.always(400)
    policy = CircuitPolicy(disabling=DisablePolicy(failures=3, min_failures=2))
    enabled = "SELECT enabled, disabled_reason FROM endpoints"
    ago = "UPDATE circuits SET failing_since = failing_since - interval '7 h', warned_at = warned_at - interval '7 h'"
    async with scene.pool(circuits=policy) as pool:
        for count in range(1, 5):
            await receive(pool, due_event())
            await scene.ended(count)
        # Four refusals within seconds: neither a warning nor the end.
        assert [row.enabled for row in await scene.rows(enabled)] == [True]
        await scene.rows(ago)
        await receive(pool, due_event())
        await scene.ended(5)
        [circuit] = await scene.rows("SELECT warned_at, in_row FROM circuits")
        assert (circuit.warned_at is not None, circuit.in_row) == (True, 5)
        assert [row.enabled for row in await scene.rows(enabled)] == [True]
        await scene.rows(ago)
        await receive(pool, due_event())
        await scene.ended(6)
    [endpoint] = await scene.rows(enabled)
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "all 6 attempts of the last 14.0 hours failed")


async def test_few_failures_over_many_days_disable_nothing(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(400)
    async with scene.pool() as pool:
        await receive(pool, due_event())
        await scene.ended(1)
        await scene.rows("UPDATE circuits SET failing_since = failing_since - interval '6 days'")
        await receive(pool, due_event())
        await scene.ended(2)
    assert [row.enabled for row in await scene.rows("SELECT enabled FROM endpoints")] == [True]


async def test_success_after_the_warning_keeps_the_endpoint_enabled(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.answer(400, 400, 200)
    receiver.always(400)
    policy = CircuitPolicy(disabling=DisablePolicy(failures=2, min_failures=2, min_seconds=0))
    async with scene.pool(circuits=policy) as pool:
        for count, warned in ((1, False), (2, True), (3, False), (4, False), (5, True)):
            await receive(pool, due_event())
            await scene.ended(count)
            assert [row.warned for row in await scene.rows("SELECT warned_at IS NOT NULL AS warned FROM circuits")] == [
                warned
            ]
