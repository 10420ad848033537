"""Due events on a real bus: the topic of the type, the queue of the priority, the attributes that route and trace."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from event_scenario import Scenario

from chassis.service.runtime import Runtime
from contracts.due import DueEvent, parse_due_event
from contracts.vocabulary import EventType, Priority, raise_priority
from event_service.adapters.due_events import SnsDueEvents
from event_service.application.firing import NotPublishedError, fire_due
from event_service.domain.events import Event
from event_service.settings import Settings

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


@pytest.fixture
def bus(connected: Runtime[Settings]) -> SnsDueEvents:
    return SnsDueEvents(connected.publisher, connected.bus, connected.topology, depth_limit=100)


@pytest.fixture
def scenario(connected: Runtime[Settings]) -> Scenario:
    return Scenario(connected)


async def _receive(runtime: Runtime[Settings], priority: Priority) -> list[Any]:
    answer = await runtime.bus.sqs.receive_message(
        QueueUrl=await runtime.bus.queue_url(runtime.topology.queue(priority).name),
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
    )
    return list(answer.get("Messages", ()))


def _event(type: EventType, priority: Priority) -> Event:
    return Event(
        id=uuid4(),
        target=NOW,
        schedule_id=None,
        user_id=uuid4(),
        event_type=type,
        occurrence="2026",
        priority=priority,
        timezone="Asia/Kathmandu",
        grace_until=NOW + timedelta(hours=1),
        expires_at=NOW + timedelta(hours=1),
        payload={"message": "naïve 🎂"},
        tags=("vip",),
        email=None,
        phone=None,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


async def test_each_type_reaches_the_queue_of_its_priority_with_its_attributes(
    connected: Runtime[Settings], bus: SnsDueEvents
) -> None:
    events = [_event(type, raise_priority(type)) for type in EventType for _ in range(2)]
    results = await bus.publish(events, NOW, math.inf)
    assert [result.error for result in results] == [None] * len(events)
    assert await bus.room(Priority.HIGH) == 98
    for priority in Priority:
        messages = await _receive(connected, priority)
        expected = {event.id: event for event in events if event.priority == priority}
        assert {parse_due_event(message["Body"]).event_id for message in messages} == expected.keys()
        for message in messages:
            due = parse_due_event(message["Body"])
            event = expected[due.event_id]
            assert due.metadata.delivery_payload == {"message": "naïve 🎂"}
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            traceparent = attributes.pop("traceparent")
            assert traceparent == results[events.index(event)].traceparent
            assert traceparent.split("-")[1] != "0af7651916cd43dd8448eb211c80319c"  # a root of its own
            assert attributes == {
                "eventId": str(event.id),
                "userId": str(event.user_id),
                "eventType": event.event_type,
                "priority": priority.name,
            }


async def test_a_birthday_goes_from_the_user_item_to_the_critical_queue(
    connected: Runtime[Settings], scenario: Scenario, bus: SnsDueEvents
) -> None:
    await scenario.at("2026-11-01T00:00Z")
    users = [scenario.user() for _ in range(23)]
    await scenario.receive(*users)
    await scenario.at("2026-11-23T14:00:30Z")
    assert await fire_due(connected.database, connected.outbox, bus, scenario.firing, Priority.CRITICAL) == 23
    arrived: list[DueEvent] = []
    while len(arrived) < len(users):
        messages = await _receive(connected, Priority.CRITICAL)
        arrived += [parse_due_event(message["Body"]) for message in messages]
        for message in messages:
            await connected.bus.sqs.delete_message(
                QueueUrl=await connected.bus.queue_url("bday-events-critical"), ReceiptHandle=message["ReceiptHandle"]
            )
    assert sorted(due.metadata.user_id for due in arrived) == sorted(user.user_id for user in users)
    assert {due.metadata.target_timestamp_local.isoformat() for due in arrived} == {"2026-11-23T09:00:00-05:00"}
    announced = [item for type, item in await scenario.announced() if type == "EventPublished"]
    assert sorted(item["eventId"] for item in announced) == sorted(str(due.event_id) for due in arrived)
    [(waiting,)] = await scenario.rows("SELECT count(*) FROM events WHERE occurrence = '2026' AND published_at IS NULL")
    assert waiting == 0


async def test_without_its_topic_a_birthday_waits_again(
    connected: Runtime[Settings], scenario: Scenario, bus: SnsDueEvents
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await connected.bus.sns.delete_topic(TopicArn=connected.bus.topic_arn("bday-birthday-events"))
    with pytest.raises(NotPublishedError, match="1 of 1 events not published"):
        await fire_due(connected.database, connected.outbox, bus, scenario.firing, Priority.CRITICAL)
    event = await scenario.event(user.user_id)
    assert (event.status, event.claim_token) == ("PENDING", None)


async def test_a_queue_that_is_full_is_not_published_to(connected: Runtime[Settings], scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.receive(*(scenario.user() for _ in range(8)))
    bus = SnsDueEvents(connected.publisher, connected.bus, connected.topology, depth_limit=5)
    fired = [
        await fire_due(connected.database, connected.outbox, bus, scenario.firing, Priority.CRITICAL) for _ in range(2)
    ]
    assert fired == [5, None]
    assert await connected.bus.depth("bday-events-critical") == 5
