"""Endpoints that change, are disabled or deleted while workers have deliveries for them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from delivery_scene import CIPHER, LOOPBACK, SECURITY, Scene, due_event, receive

from chassis.database.clock import Clock, DatabaseClock
from chassis.messaging.outbox import Outbox
from contracts.vocabulary import OutcomeStatus, Priority
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application import endpoint_watch
from delivery_service.application.endpoints import delete_endpoint, rotate_secret, switch_endpoint, update_endpoint
from delivery_service.application.pool import DeliveryPool
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.disabling import DisablePolicy
from delivery_service.domain.retries import RetryPolicy
from testkit import Answer, Receiver, eventually

OUTBOX = Outbox()
TOMORROW = RetryPolicy(max_tries=5, base=86_400, factor=1, cap=86_400, retry_after_cap=900)
STATES = "SELECT status, reason, count(*) FROM deliveries GROUP BY 1, 2 ORDER BY 1, 2"
TOUCHY = CircuitPolicy(
    min_attempts=1,
    open_seconds=300,
    disabling=DisablePolicy(failures=1, min_failures=1, min_seconds=0, warning_seconds=0),
)


@pytest.fixture
def clock(scene: Scene) -> Clock:
    return DatabaseClock(scene.database, time_lapse=False)


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    """Where an endpoint moves to."""
    async with Receiver() as receiver:
        yield receiver


async def claimed(scene: Scene, pool: DeliveryPool, receiver: Receiver, *, count: int = 12) -> asyncio.Event:
    """Give a pool deliveries of an endpoint with two slots; two POSTs are in flight until the event is set.

    Some of the others wait in the pool, the rest in the database.
    """
    gate = asyncio.Event()
    receiver.always(Answer(receiver.otherwise.status, gate=gate))
    await receive(pool, *(due_event() for _ in range(count)))
    await receiver.wait_for(2)
    [leased] = await scene.rows("SELECT count(*) AS deliveries FROM deliveries WHERE lease IS NOT NULL")
    assert 2 < leased.deliveries < count
    return gate


async def states(scene: Scene) -> dict[tuple[str, str | None], int]:
    return {(row.status, row.reason): row.count for row in await scene.rows(STATES)}


async def stop(scene: Scene, clock: Clock, endpoint_id: UUID, how: str) -> None:
    if how == "delete":
        await delete_endpoint(scene.database, OUTBOX, endpoint_id, None)
    elif how == "patch":
        await update_endpoint(scene.database, OUTBOX, clock, SECURITY, endpoint_id, {"enabled": False}, None)
    else:
        await switch_endpoint(
            scene.database, OUTBOX, clock, SECURITY.cipher, endpoint_id, enabled=False, reason="moving"
        )


ENDS = [("delete", "cancelled", 0), ("disable", "disabled", 10), ("patch", "disabled", 10)]


@pytest.mark.parametrize(("how", "reason", "letters"), ENDS)
async def test_claimed_deliveries_end_without_an_attempt_when_their_endpoint_is_stopped(
    scene: Scene, receiver: Receiver, clock: Clock, how: str, reason: str, letters: int
) -> None:
    endpoint_id, _ = await scene.endpoint(concurrency=2)
    async with scene.pool() as pool:
        gate = await claimed(scene, pool, receiver)
        await stop(scene, clock, endpoint_id, how)
        # They end while the two in flight hold all slots of the endpoint.
        await scene.ended(10)
        gate.set()
        outcomes = await scene.ended(12)
    assert len(receiver.requests) == 2
    assert await states(scene) == {("FAILED", reason): 10, ("SUCCEEDED", None): 2}
    assert sorted(item.status for item in outcomes) == [OutcomeStatus.FAILED] * 10 + [OutcomeStatus.SUCCEEDED] * 2
    dead = await scene.rows("SELECT reason FROM delivery_dead_letters")
    assert [letter.reason for letter in dead] == [reason] * letters


@pytest.mark.parametrize(("how", "reason", "letters"), ENDS)
async def test_attempt_with_an_old_configuration_reads_it_again_before_it_begins(
    scene: Scene,
    receiver: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    reason: str,
    letters: int,
) -> None:
    # As if the loop that watches endpoints were stuck: the check at the beginning of an attempt is what promises.
    monkeypatch.setattr(endpoint_watch, "MAX_AGE_SECONDS", 0.0)
    endpoint_id, _ = await scene.endpoint(concurrency=2)
    async with scene.pool(watching=False) as pool:
        gate = await claimed(scene, pool, receiver)
        await stop(scene, clock, endpoint_id, how)
        gate.set()
        await scene.ended(12)
    assert len(receiver.requests) == 2
    assert await states(scene) == {("FAILED", reason): 10, ("SUCCEEDED", None): 2}
    assert len(await scene.rows("SELECT id FROM delivery_dead_letters")) == letters


@pytest.mark.parametrize("stopped", [True, False])
async def test_endpoint_is_checked_again_where_connecting_takes_long(
    scene: Scene, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    for name in ("MAX_AGE_SECONDS", "SEND_WITHIN_SECONDS", "MIN_SEND_SECONDS"):
        monkeypatch.setattr(endpoint_watch, name, 0.0)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def look_up(name: str) -> Sequence[str]:
        asked.set()
        await answer.wait()
        return ["127.0.0.1"]

    endpoint_id, _ = await scene.endpoint(url=f"http://slow.example:{receiver.port}/hooks")
    poster = Poster(connections=2, connect_seconds=60, guard=SsrfGuard(LOOPBACK, lookup=look_up))
    async with scene.pool(sender=WebhookSender(poster, CIPHER)) as pool:
        await receive(pool, due_event())
        await eventually(asked.is_set)
        if stopped:
            await delete_endpoint(scene.database, OUTBOX, endpoint_id, None)
        answer.set()
        [item] = await scene.ended()
    await poster.aclose()
    # The connection is used nevertheless if the endpoint is unchanged: nothing is sent twice.
    expected = ("cancelled", 0, 0) if stopped else (None, 1, 1)
    assert (item.reason, item.endpoints[0].attempts, len(receiver.requests)) == expected


async def test_no_post_begins_a_second_after_delete_in_any_of_several_workers(scene: Scene, receiver: Receiver) -> None:
    endpoint_id, _ = await scene.endpoint(concurrency=1)
    async with scene.pool() as one, scene.pool() as two, scene.pool(priority=Priority.LOW) as low:
        for pool in (one, two):
            await receive(pool, *(due_event() for _ in range(200)))
        await receive(low, *(due_event(priority="LOW") for _ in range(200)))
        await receiver.wait_for(10)
        await delete_endpoint(scene.database, OUTBOX, endpoint_id, None)
        [answered] = await scene.rows("SELECT clock_timestamp() AS at")
        await scene.ended(600, timeout=30)
    late = [each for each in receiver.requests if each.received_at > answered.at + timedelta(seconds=1)]
    assert late == []
    assert len(receiver.requests) < 600
    assert {event.remaining for event in await scene.rows("SELECT remaining FROM events")} == {0}


async def test_claimed_deliveries_go_to_the_new_url_with_the_new_headers(
    scene: Scene, receiver: Receiver, clock: Clock, other: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_watch, "MAX_AGE_SECONDS", 0.0)
    endpoint_id, _ = await scene.endpoint(concurrency=2)
    async with scene.pool() as pool:
        gate = await claimed(scene, pool, receiver)
        patch = {"url": other.url, "headers": {"X-New": "yes"}}
        await update_endpoint(scene.database, OUTBOX, clock, SECURITY, endpoint_id, patch, None)
        gate.set()
        await scene.ended(12)
    assert len(receiver.requests) == 2
    assert [each.headers.get("x-new") for each in other.requests] == ["yes"] * 10


async def test_claimed_deliveries_are_signed_with_the_new_secret_after_a_rotation(
    scene: Scene, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_watch, "MAX_AGE_SECONDS", 0.0)
    endpoint_id, _ = await scene.endpoint(concurrency=2)
    async with scene.pool() as pool:
        gate = await claimed(scene, pool, receiver)
        await rotate_secret(
            scene.database, clock, SECURITY.cipher, endpoint_id, None, overlap_seconds=3600, expected=None
        )
        gate.set()
        await scene.ended(12)
    signatures = [len(each.headers["webhook-signature"].split()) for each in receiver.requests]
    assert signatures == [1, 1] + [2] * 10


@pytest.mark.parametrize("status", [410, 500, 404])
async def test_results_of_an_old_url_do_not_count_for_the_new_one(
    scene: Scene, receiver: Receiver, clock: Clock, other: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(endpoint_watch, "MAX_AGE_SECONDS", 0.0)
    endpoint_id, _ = await scene.endpoint(concurrency=2)
    receiver.always(status)
    async with scene.pool(circuits=TOUCHY) as pool:
        gate = await claimed(scene, pool, receiver)
        await update_endpoint(scene.database, OUTBOX, clock, SECURITY, endpoint_id, {"url": other.url}, None)
        gate.set()
        await scene.ended(12)
    assert len(receiver.requests) == 2
    [endpoint] = await scene.rows("SELECT enabled, version FROM endpoints")
    assert (endpoint.enabled, endpoint.version) == (True, 2)
    assert await scene.rows("SELECT state FROM circuits") == []
    # What may pass is tried again, at the new URL.
    assert len(other.requests) == (12 if status == 500 else 10)


@pytest.mark.parametrize(("how", "reason", "letters"), ENDS)
async def test_retry_that_is_far_away_ends_at_once_when_its_endpoint_is_stopped(
    scene: Scene, receiver: Receiver, clock: Clock, how: str, reason: str, letters: int
) -> None:
    endpoint_id, _ = await scene.endpoint()
    receiver.always(500)
    async with scene.pool(policy=TOMORROW) as pool:
        await receive(pool, due_event())
        await eventually(lambda: scene.rows("SELECT 1 FROM deliveries WHERE attempts = 1"))
    # No worker runs: the request itself ends it.
    await stop(scene, clock, endpoint_id, how)
    [item] = await scene.outcomes()
    assert (item.status, item.reason) == (OutcomeStatus.FAILED, reason)
    assert len(await scene.rows("SELECT id FROM delivery_dead_letters")) == min(1, letters)


@pytest.mark.parametrize(("how", "reason", "letters"), ENDS)
async def test_retry_planned_after_its_endpoint_was_stopped_ends_at_once(
    scene: Scene, receiver: Receiver, clock: Clock, how: str, reason: str, letters: int
) -> None:
    endpoint_id, _ = await scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(500, gate=gate))
    async with scene.pool(policy=TOMORROW) as pool:
        await receive(pool, due_event())
        await receiver.wait_for(1)
        await stop(scene, clock, endpoint_id, how)
        gate.set()
        [item] = await scene.ended()
    assert (item.status, item.reason, item.endpoints[0].attempts) == (OutcomeStatus.FAILED, reason, 1)
    assert len(await scene.rows("SELECT id FROM delivery_dead_letters")) == min(1, letters)


async def test_retry_that_is_far_away_ends_at_once_when_its_endpoint_answers_410(
    scene: Scene, receiver: Receiver
) -> None:
    await scene.endpoint()
    receiver.answer(500, 410)
    async with scene.pool(policy=TOMORROW) as pool:
        await receive(pool, due_event())
        await eventually(lambda: scene.rows("SELECT 1 FROM deliveries WHERE attempts = 1"))
        await receive(pool, due_event())
        items = await scene.ended(2)
    assert sorted(str(item.reason) for item in items) == ["disabled", "gone"]
    assert len(receiver.requests) == 2


async def test_changes_and_results_at_the_same_time_do_not_deadlock(
    scene: Scene, receiver: Receiver, clock: Clock
) -> None:
    receiver.answer(*[500, 404, 200, 429, 503] * 100)
    endpoint_ids = [(await scene.endpoint())[0] for _ in range(4)]
    circuits = CircuitPolicy(min_attempts=2, open_seconds=0.01, open_cap_seconds=0.01)

    async def change(endpoint_id: UUID) -> None:
        for number in range(12):
            patch = {"description": f"version {number}", "url": f"{receiver.url}?{number % 3}"}
            await update_endpoint(scene.database, OUTBOX, clock, SECURITY, endpoint_id, patch, None)
            for enabled in (False, True):
                await switch_endpoint(
                    scene.database, OUTBOX, clock, SECURITY.cipher, endpoint_id, enabled=enabled, reason=None
                )
        await delete_endpoint(scene.database, OUTBOX, endpoint_id, None)

    async with scene.pool(circuits=circuits) as one, scene.pool(circuits=circuits) as two:

        async def deliver(pool: DeliveryPool) -> None:
            for _ in range(10):
                await receive(pool, *(due_event() for _ in range(5)))

        await asyncio.gather(*map(change, endpoint_ids), deliver(one), deliver(two))
        await scene.ended(100, timeout=60)
    assert await scene.rows("SELECT id FROM deliveries WHERE status = 'PENDING'") == []
    assert {event.remaining for event in await scene.rows("SELECT remaining FROM events")} == {0}
    [stats] = await scene.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert stats.deadlocks == 0
