"""How many more messages a queue should get: the limit minus the depth minus the messages published since."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest

from chassis.messaging.bus import Bus
from chassis.messaging.publisher import NotAccepted, Outgoing, Publisher
from contracts.topology import build_topology
from contracts.vocabulary import EventType, Priority
from event_service.adapters import due_events
from event_service.adapters.due_events import SnsDueEvents
from event_service.domain.events import Event

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
LIMIT = 100
FAR = math.inf


@dataclass
class FakeSns:
    """Both halves of the bus: counts readings, keeps what is published and refuses some of it."""

    depths: dict[str, int] = field(default_factory=dict)
    readings: list[str] = field(default_factory=list)
    published: list[tuple[str, Outgoing]] = field(default_factory=list)
    refused: set[UUID] = field(default_factory=set)
    error: OSError | None = None

    async def depth(self, queue: str) -> int:
        self.readings.append(queue)
        if self.error is not None:
            raise self.error
        return self.depths.get(queue, 0)

    async def publish(self, topic: str, messages: Sequence[Outgoing], *, deadline: float) -> list[NotAccepted | None]:
        assert deadline == FAR
        self.published.extend((topic, message) for message in messages)
        no = NotAccepted("refused", maybe=True)
        return [no if UUID(each.attributes["eventId"]) in self.refused else None for each in messages]


@dataclass
class Monotonic:
    seconds: float = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def sns() -> FakeSns:
    return FakeSns()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    clock = Monotonic()
    monkeypatch.setattr(due_events, "time", clock)
    return clock


@pytest.fixture
def bus(sns: FakeSns, time: Monotonic) -> SnsDueEvents:
    return SnsDueEvents(cast(Publisher, sns), cast(Bus, sns), build_topology(), depth_limit=LIMIT)


def _event(priority: Priority = Priority.CRITICAL, type: EventType = EventType.BIRTHDAY) -> Event:
    return Event(
        id=uuid4(),
        target=NOW,
        schedule_id=None,
        user_id=uuid4(),
        event_type=type,
        occurrence="2026",
        priority=priority,
        timezone="UTC",
        grace_until=NOW + timedelta(hours=1),
        expires_at=NOW + timedelta(hours=1),
        payload={},
        tags=(),
        email=None,
        phone=None,
        traceparent=None,
    )


async def test_the_room_is_what_the_limit_leaves_over_the_depth(bus: SnsDueEvents, sns: FakeSns) -> None:
    sns.depths["bday-events-high"] = 30
    assert await bus.room(Priority.HIGH) == LIMIT - 30
    assert await bus.room(Priority.LOW) == LIMIT
    assert sns.readings == ["bday-events-high", "bday-events-low"]


async def test_what_was_published_since_the_reading_takes_room(bus: SnsDueEvents, sns: FakeSns) -> None:
    await bus.room(Priority.CRITICAL)
    await bus.publish([_event() for _ in range(7)], NOW, FAR)
    await bus.publish([_event(Priority.LOW)], NOW, FAR)
    assert await bus.room(Priority.CRITICAL) == LIMIT - 7
    assert sns.readings == ["bday-events-critical"]


async def test_a_reading_is_trusted_for_a_second(bus: SnsDueEvents, sns: FakeSns, time: Monotonic) -> None:
    await bus.room(Priority.CRITICAL)
    time.seconds += due_events.DEPTH_SECONDS - 0.01
    await bus.room(Priority.CRITICAL)
    assert len(sns.readings) == 1
    sns.depths["bday-events-critical"] = 12
    time.seconds += 0.01
    assert await bus.room(Priority.CRITICAL) == LIMIT - 12


async def test_a_full_queue_is_looked_at_more_often_but_not_always(
    bus: SnsDueEvents, sns: FakeSns, time: Monotonic
) -> None:
    sns.depths["bday-events-critical"] = LIMIT + 50
    assert await bus.room(Priority.CRITICAL) == -50
    assert await bus.room(Priority.CRITICAL) == -50
    assert len(sns.readings) == 1
    sns.depths["bday-events-critical"] = LIMIT - 5
    time.seconds += due_events.DEPTH_PAUSE_SECONDS
    assert await bus.room(Priority.CRITICAL) == 5


async def test_a_reading_that_fails_gives_no_room_away(bus: SnsDueEvents, sns: FakeSns, time: Monotonic) -> None:
    sns.error = ConnectionError("away")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await bus.room(Priority.CRITICAL)
    sns.error = None
    assert await bus.room(Priority.CRITICAL) == LIMIT


async def test_events_of_mixed_types_go_to_their_topics_and_are_answered_in_order(
    bus: SnsDueEvents, sns: FakeSns
) -> None:
    types = [EventType.ANNIVERSARY, EventType.REMINDER] * 3
    events = [replace(_event(Priority.HIGH, type), traceparent=None) for type in types]
    sns.refused = {events[1].id, events[4].id}
    results = await bus.publish(events, NOW, FAR)
    assert [result.error for result in results] == [None, "refused", None, None, "refused", None]
    assert [result.maybe for result in results] == [False, True, False, False, True, False]
    traceparents = {UUID(each.attributes["eventId"]): each.attributes["traceparent"] for _, each in sns.published}
    assert [result.traceparent for result in results] == [traceparents[event.id] for event in events]
    assert [topic for topic, _ in sns.published] == ["bday-anniversary-events"] * 3 + ["bday-reminder-events"] * 3
