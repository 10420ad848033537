"""On the real bus, every message reaches the queues that the topology says, and no other."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import product
from uuid import UUID, uuid4

import pytest

from chassis.core.settings import BusSettings
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.publisher import Outgoing, Publisher
from contracts import (
    Contact,
    DueEvent,
    DueMetadata,
    EventType,
    MessageType,
    Priority,
    build_topology,
    find_spec,
    message_attributes,
    parse_due_event,
)
from testkit import eventually

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


@pytest.fixture
async def whole_bus(settings: BusSettings) -> AsyncIterator[Bus]:
    async with Bus(settings, build_topology()) as opened:
        await provisioning.apply(opened)
        yield opened


def _due(event_type: EventType, priority: Priority) -> DueEvent:
    event_id = uuid4()
    return DueEvent(
        event_id=event_id,
        event_type=event_type,
        idempotency_key=str(event_id),
        metadata=DueMetadata(
            user_id=uuid4(),
            attempt=1,
            occurrence="2026",
            priority=priority,
            late=False,
            expires_at=NOW,
            target_timestamp_utc=NOW,
            target_timestamp_local=NOW,
            target_timezone="UTC",
            tags=[],
            contact=Contact(),
            delivery_payload={"message": "Hey"},
        ),
    )


async def _bodies(bus: Bus, queue_name: str) -> list[str]:
    """All that waits in a queue."""
    url = await bus.queue_url(queue_name)
    bodies: list[str] = []

    async def drained() -> bool:
        answer = await bus.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        bodies.extend(message["Body"] for message in answer.get("Messages", ()))
        return not answer.get("Messages")

    await eventually(drained)
    return bodies


async def test_every_event_type_and_priority_reaches_exactly_one_delivery_queue(whole_bus: Bus) -> None:
    publisher = Publisher(whole_bus)
    due = [_due(event_type, priority) for event_type, priority in product(EventType, Priority)]
    for event in due:
        topic = whole_bus.topology.topic(event.event_type).name
        assert await publisher.publish(topic, [Outgoing(event.model_dump_json(), event.attributes())]) == [None]
    reached: dict[UUID, list[str]] = defaultdict(list)
    for queue in whole_bus.topology.queues:
        for body in await _bodies(whole_bus, queue.name):
            reached[parse_due_event(body).event_id].append(queue.name)
    assert len(due) == len(EventType) * len(Priority)
    assert {event.event_id: [f"bday-events-{event.metadata.priority.name.lower()}"] for event in due} == reached
    letters = [await whole_bus.depth(queue.dead_letter_queue.name) for queue in whole_bus.topology.queues]
    assert letters == [0] * len(whole_bus.topology.queues)


async def test_every_domain_message_reaches_the_queues_that_the_topology_says(whole_bus: Bus) -> None:
    publisher, topology = Publisher(whole_bus), whole_bus.topology
    expected: dict[str, set[str]] = {}
    for type in MessageType:
        topic, attributes = topology.topic(find_spec(type).bus), message_attributes(type)
        expected[type.value] = {queue.name for queue in topology.route(topic, attributes)}
        assert await publisher.publish(topic.name, [Outgoing(type.value, attributes)]) == [None]
    reached: dict[str, set[str]] = defaultdict(set)
    for queue in topology.queues:
        for body in await _bodies(whole_bus, queue.name):
            reached[body].add(queue.name)
    assert reached == expected
    assert all(expected.values())


async def test_applying_the_topology_again_changes_nothing_and_makes_what_is_missing(whole_bus: Bus) -> None:
    assert (await provisioning.apply(whole_bus)).created_queues == ()
    queue = whole_bus.topology.queue("analytics")
    assert await provisioning.missing(whole_bus, (queue,)) is None
    await whole_bus.sqs.delete_queue(QueueUrl=await whole_bus.queue_url(queue.name))
    missing = await provisioning.missing(whole_bus, whole_bus.topology.queues)
    assert missing is not None
    assert "bday-analytics does not exist" in missing
    assert (await provisioning.apply(whole_bus)).created_queues == ("bday-analytics",)


async def test_queues_have_the_numbers_of_the_topology(whole_bus: Bus) -> None:
    for queue in whole_bus.topology.queues:
        answer = await whole_bus.sqs.get_queue_attributes(
            QueueUrl=await whole_bus.queue_url(queue.name), AttributeNames=["All"]
        )
        attributes = answer["Attributes"]
        assert attributes["VisibilityTimeout"] == str(queue.visibility_seconds)
        assert attributes["MessageRetentionPeriod"] == str(queue.retention_seconds)
        assert f'"maxReceiveCount": {queue.max_receive_count}' in attributes["RedrivePolicy"]
        assert queue.dead_letter_queue.name in attributes["RedrivePolicy"]
