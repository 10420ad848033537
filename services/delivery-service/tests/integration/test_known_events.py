"""Due events that come again: repeated, late, or as a further attempt of the whole event."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from delivery_scene import Scene, due_event, receive

from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import OutcomeStatus
from testkit import Answer, Receiver, eventually

Due = Callable[..., dict[str, Any]]


def again(due: dict[str, Any], attempt: int) -> dict[str, Any]:
    return {**due, "metadata": {**due["metadata"], "attempt": attempt}}


async def test_repeated_message_for_an_event_being_delivered_changes_nothing(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due, due)
        await receiver.wait_for(1)
        await receive(pool, due)
        assert await scene.outcomes() == []
        gate.set()
        [item] = await scene.ended()
    assert item.status is OutcomeStatus.SUCCEEDED
    assert len(receiver.requests) == 1
    assert len(await scene.rows("SELECT id FROM deliveries")) == 1


async def test_a_message_for_a_finished_event_sends_its_outcome_again(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due)
        await scene.ended()
        await receive(pool, due)
    first, second = await scene.outcomes()
    assert first.item_id != second.item_id
    assert first.model_dump(exclude={"item_id"}) == second.model_dump(exclude={"item_id"})
    assert len(receiver.requests) == 1


async def test_a_higher_attempt_opens_what_failed_and_leaves_what_succeeded(scene: Scene, receiver: Receiver) -> None:
    good, _ = await scene.endpoint()
    async with Receiver() as broken:
        broken.answer(500, 500, 500)
        bad, _ = await scene.endpoint(url=broken.url)
        due = due_event()
        async with scene.pool() as pool:
            await receive(pool, due)
            await scene.ended()
            # An endpoint that came later is none of this event's: its set is frozen.
            await scene.endpoint()
            await receive(pool, again(due, 2))
            await eventually(lambda: at_least(scene.outcomes(), 2))
            webhook_ids = {request.headers["webhook-id"] for request in broken.requests}
    first, second = await scene.outcomes()
    assert (first.attempt, first.status, first.reason) == (1, OutcomeStatus.FAILED, "exhausted")
    assert (second.attempt, second.status, second.reason) == (2, OutcomeStatus.SUCCEEDED, None)
    assert {each.endpoint_id: each.attempts for each in second.endpoints} == {good: 1, bad: 4}
    assert webhook_ids == {due["eventId"]}
    assert len(receiver.requests) == 1


async def test_higher_attempt_of_an_event_being_delivered_waits_for_its_deliveries(
    scene: Scene, receiver: Receiver
) -> None:
    await scene.endpoint()
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due)
        await receiver.wait_for(1)
        await receive(pool, again(due, 2))
        gate.set()
        [item] = await scene.ended()
    assert (item.attempt, item.status) == (2, OutcomeStatus.SUCCEEDED)
    assert len(receiver.requests) == 1


async def test_a_higher_attempt_where_nothing_failed_is_answered_at_once(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due)
        await scene.ended()
        await receive(pool, again(due, 2))
    assert [(item.attempt, item.status) for item in await scene.outcomes()] == [
        (1, OutcomeStatus.SUCCEEDED),
        (2, OutcomeStatus.SUCCEEDED),
    ]
    assert len(receiver.requests) == 1


async def test_a_lower_attempt_is_old_and_ignored(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, again(due, 2), due)
        await scene.ended()
        await receive(pool, due)
    [item] = await scene.outcomes()
    assert item.attempt == 2
    assert len(receiver.requests) == 1


async def test_a_higher_attempt_matches_again_where_no_endpoint_had_been_found(
    scene: Scene,
    receiver: Receiver,
) -> None:
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due)
        await receive(pool, again(due, 2))
        endpoint_id, _ = await scene.endpoint()
        await receive(pool, again(due, 3))
        await eventually(lambda: at_least(scene.outcomes(), 3))
    assert [(item.attempt, item.reason) for item in await scene.outcomes()] == [
        (1, "no_endpoint"),
        (2, "no_endpoint"),
        (3, None),
    ]
    [delivery] = await scene.rows("SELECT endpoint_id, status FROM deliveries")
    assert delivery == (endpoint_id, "SUCCEEDED")
    assert len(receiver.requests) == 1


async def at_least(read: Awaitable[list[DeliveryOutcomeItem]], count: int) -> list[DeliveryOutcomeItem]:
    items = await read
    return items if len(items) >= count else []
