"""The workers on real queues: what is published to the topic of a type arrives by the queue of its priority."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from delivery_scene import Scene, due_event

from chassis.messaging import provisioning
from chassis.messaging.publisher import Outgoing
from chassis.service.runtime import Runtime
from contracts.due import parse_due_event
from contracts.vocabulary import EventType, Priority
from delivery_service.application.bulkheads import NEW_ATTEMPTS
from delivery_service.roles import worker
from delivery_service.settings import Settings
from testkit import Answer, Receiver, eventually

Publish = Callable[..., Awaitable[None]]
Work = Callable[..., AbstractAsyncContextManager[None]]

TERMINAL = "SELECT 1 FROM deliveries HAVING count(*) FILTER (WHERE status = 'SUCCEEDED') = :count"


@pytest.fixture
async def publish(runtime: Runtime[Settings]) -> Publish:
    """`await publish(due, …)` puts due events on the topics of their types."""
    await provisioning.apply(runtime.bus)

    async def to_topics(*dues: dict[str, Any]) -> None:
        for event_type in EventType:
            messages = []
            for due in dues:
                if due["eventType"] == event_type:
                    body = json.dumps(due)
                    messages.append(Outgoing(body, parse_due_event(body).attributes()))
            results = await runtime.publisher.publish(runtime.topology.topic(event_type).name, messages)
            assert results == [None] * len(messages)

    return to_topics


@pytest.fixture
def work(runtime: Runtime[Settings]) -> Work:
    """`async with work(Priority.LOW, …)` runs the workers of these priorities, and stops them as SIGTERM does."""

    @asynccontextmanager
    async def run(*priorities: Priority) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for priority in priorities:
                group.create_task(worker(runtime, priority).run(stopping))
            try:
                yield
            finally:
                stopping.set()

    return run


async def test_poison_message_becomes_a_dead_letter_and_the_queue_continues(
    api_scene: Scene,
    runtime: Runtime[Settings],
    api: httpx.AsyncClient,
    receiver: Receiver,
    publish: Publish,
    work: Work,
) -> None:
    await api_scene.endpoint()
    unusable, unknown, older, newer = (due_event() for _ in range(4))
    unusable["idempotencyKey"] = "two\r\nlines"
    unknown["eventType"] = "CONFETTI"
    del older["metadata"]["expiresAt"]
    newer["metadata"]["targetTimestampUTC"] = {"instant": "2026-11-23T14:00:00Z", "scale": "TAI"}
    # The data of each of them in the API.
    poison = {
        "not JSON": "not JSON: expected ident at line 1",
        '{"specversion": "1.0", "type": "UserCreated", "dataversion": "9.0"}': "eventId",
        json.dumps(unusable): "idempotencyKey",
        json.dumps(unknown): "eventType",
        json.dumps(older): "expiresAt",
        json.dumps(newer): "targetTimestampUTC",
    }
    queue = runtime.topology.queue(Priority.CRITICAL).name
    for body in poison:
        await runtime.bus.sqs.send_message(QueueUrl=await runtime.bus.queue_url(queue), MessageBody=body)
    due = due_event()
    await publish(due)

    async def letters() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await api.get("/v1/dead-letters", params={"reason": "poison"})).json()["items"]
        return items if len(items) == len(poison) else []

    async with work(Priority.CRITICAL):
        [request] = await receiver.wait_for(1)
        found = await eventually(letters) or []
    assert request.headers["webhook-id"] == due["eventId"]
    assert {letter["queue"] for letter in found} == {queue}
    said = {(await api.get(f"/v1/dead-letters/{letter['id']}")).json()["payload"]: letter["detail"] for letter in found}
    assert said.keys() == poison.keys()
    for body, rule in poison.items():
        assert rule in said[body]
    assert await runtime.bus.depth(queue) == 0


async def test_a_payload_of_200_kib_is_delivered_whole(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
    publish: Publish,
    work: Work,
) -> None:
    await api_scene.endpoint()
    message = "x" * 200 * 1024
    await publish(due_event(deliveryPayload={"message": message}))
    async with work(Priority.CRITICAL):
        [request] = await receiver.wait_for(1)
    assert json.loads(request.body)["data"]["message"] == message
    [delivery] = (await api.get("/v1/deliveries")).json()["items"]
    assert (delivery["status"], delivery["attempts"]) == ("SUCCEEDED", 1)


async def test_two_workers_on_one_queue_never_send_an_event_twice(
    api_scene: Scene,
    runtime: Runtime[Settings],
    receiver: Receiver,
    publish: Publish,
    work: Work,
) -> None:
    await api_scene.endpoint()
    dues = [due_event() for _ in range(60)]
    await publish(*dues, *dues)
    async with work(Priority.CRITICAL, Priority.CRITICAL):
        await eventually(lambda: api_scene.rows(TERMINAL, count=60))
        critical = runtime.topology.queue(Priority.CRITICAL).name
        await eventually(lambda: _empty(runtime, critical))
    sent = sorted(request.headers["webhook-id"] for request in receiver.requests)
    assert sent == sorted(due["eventId"] for due in dues)


async def test_a_flood_of_low_events_at_a_hanging_endpoint_does_not_delay_critical_ones(
    api_scene: Scene,
    runtime: Runtime[Settings],
    receiver: Receiver,
    publish: Publish,
    work: Work,
) -> None:
    gate = asyncio.Event()
    async with Receiver() as hanging:
        hanging.always(Answer(gate=gate))
        await api_scene.endpoint(url=hanging.url, event_types=("NOTIFICATION",))
        await api_scene.endpoint(event_types=("BIRTHDAY",))
        await publish(*(due_event(event_type=EventType.NOTIFICATION, priority="LOW") for _ in range(150)))
        async with work(*Priority):
            attempts = min(NEW_ATTEMPTS, runtime.settings.slots_low // 2)
            await hanging.wait_for(attempts)
            await publish(*(due_event() for _ in range(10)))
            await receiver.wait_for(10, timeout=5)
            assert len(hanging.requests) == attempts
            gate.set()
            await eventually(lambda: api_scene.rows(TERMINAL, count=160))


async def _empty(runtime: Runtime[Settings], queue: str) -> bool:
    return await runtime.bus.depth(queue) == 0
