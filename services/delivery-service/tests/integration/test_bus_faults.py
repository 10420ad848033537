"""A bus that throttles and loses answers: it costs time, and neither an event nor an outcome."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from delivery_scene import Scene, due_event

from chassis.messaging import provisioning
from chassis.messaging.publisher import Outgoing
from chassis.service.runtime import Runtime
from contracts.due import parse_due_event
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.messages.parsing import parse_message
from contracts.vocabulary import EventType, OutcomeStatus, Priority
from delivery_service.roles import worker
from delivery_service.settings import Settings
from local_stack.emulator import Emulator
from testkit import AwsAccount, Receiver, eventually
from testkit.faults import FaultyAws

EVENTS = 30
FAULTS = {"ReceiveMessage": 6, "DeleteMessageBatch": 4, "PublishBatch": 5}


@pytest.fixture
async def faults(emulator: Emulator) -> AsyncIterator[FaultyAws]:
    async with FaultyAws(emulator.url) as faulty:
        yield faulty


@pytest.fixture
def aws(faults: FaultyAws) -> AwsAccount:
    """An account whose calls go through the proxy."""
    return AwsAccount(endpoint_url=faults.url)


@pytest.fixture
def calm(aws: AwsAccount, emulator: Emulator) -> AwsAccount:
    """The same account without the proxy."""
    return replace(aws, endpoint_url=emulator.url)


async def test_a_bus_that_throttles_and_loses_answers_costs_time_and_no_event(
    api_scene: Scene,
    runtime: Runtime[Settings],
    faults: FaultyAws,
    calm: AwsAccount,
    receiver: Receiver,
    api: httpx.AsyncClient,
) -> None:
    await provisioning.apply(runtime.bus)
    await api_scene.endpoint()
    queue = runtime.topology.queue(Priority.CRITICAL)
    url = await runtime.bus.queue_url(queue.name)
    # What a lost answer to a receive took along is back in a second.
    await runtime.bus.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    dues = [due_event() for _ in range(EVENTS)]
    await _publish(runtime, dues)

    faults.throttle("sqs", "ReceiveMessage", 4)
    faults.lose_answer("sqs", "ReceiveMessage", 2)
    faults.throttle("sqs", "DeleteMessageBatch", 2)
    faults.lose_answer("sqs", "DeleteMessageBatch", 2)
    faults.throttle("sns", "PublishBatch", 3)
    faults.lose_answer("sns", "PublishBatch", 2)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for role in (worker(runtime, Priority.CRITICAL), *runtime.relay()):
            group.create_task(role.run(stopping))
        outcomes = await _outcomes(runtime, calm, EVENTS)
        await eventually(lambda: faults.befallen == FAULTS)
        await eventually(lambda: _empty(runtime, queue.name))
        stopping.set()

    event_ids = {due["eventId"] for due in dues}
    assert outcomes == dict.fromkeys(event_ids, OutcomeStatus.SUCCEEDED)
    assert sorted(request.headers["webhook-id"] for request in receiver.requests) == sorted(event_ids)
    page = (await api.get("/v1/deliveries", params={"limit": 100})).json()
    assert [(each["status"], each["attempts"]) for each in page["items"]] == [("SUCCEEDED", 1)] * EVENTS
    assert (await api.get("/v1/dead-letters")).json()["items"] == []


async def _publish(runtime: Runtime[Settings], dues: list[dict[str, Any]]) -> None:
    bodies = [json.dumps(due) for due in dues]
    messages = [Outgoing(body, parse_due_event(body).attributes()) for body in bodies]
    topic = runtime.topology.topic(EventType.BIRTHDAY).name
    assert await runtime.publisher.publish(topic, messages) == [None] * len(dues)


async def _outcomes(runtime: Runtime[Settings], account: AwsAccount, count: int) -> dict[str, OutcomeStatus]:
    """The outcomes that event-service gets for this many events; what the relay sent twice counts once."""
    url = await runtime.bus.queue_url(runtime.topology.queue("delivery-outcomes").name)
    told: dict[str, OutcomeStatus] = {}
    async with account.client("sqs") as sqs:

        async def receive() -> bool:
            answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", ()):
                for item in parse_message(message["Body"]).items:
                    assert isinstance(item, DeliveryOutcomeItem)
                    told[str(item.event_id)] = item.status
            return len(told) >= count

        await eventually(receive)
    return told


async def _empty(runtime: Runtime[Settings], queue: str) -> bool:
    answer = await runtime.bus.sqs.get_queue_attributes(
        QueueUrl=await runtime.bus.queue_url(queue),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return set(answer["Attributes"].values()) == {"0"}
