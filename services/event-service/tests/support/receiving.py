"""A model of everything behind the bus: messages in flight, deliveries that happen once, and outcomes on their way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from event_scenario import Scenario

from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import OutcomeStatus
from event_service.domain.events import Event, Published


class CrashError(Exception):
    """The process ends here."""


class Mood(StrEnum):
    """What a publication meets."""

    WELL = "well"
    REFUSES = "refuses"
    LOSES_ANSWERS = "loses answers"
    """The messages are on their way, and the publisher is told that they are not."""
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"


@dataclass
class MoodyBus:
    """The port of due events; ``in_flight`` is what a delivery may get, in any order, again, or never."""

    in_flight: list[Event] = field(default_factory=list)
    mood: Mood = Mood.WELL

    async def room(self, priority: int) -> int:
        return 1000

    async def publish(self, events: Sequence[Event], now: datetime) -> list[Published]:
        if self.mood is Mood.DIES_BEFORE:
            raise CrashError
        if self.mood is not Mood.REFUSES:
            self.in_flight.extend(events)
        if self.mood is Mood.DIES_AFTER:
            raise CrashError
        return [Published(None if self.mood is Mood.WELL else "no answer", None) for _ in events]


@dataclass(frozen=True)
class Delivery:
    event: Event
    succeeded: bool


@dataclass
class Inbox:
    """Deliveries by the rules of design §5, and how often a webhook of each event took effect."""

    now: datetime
    effects: Counter[UUID] = field(default_factory=Counter)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    outcomes: list[DeliveryOutcomeItem] = field(default_factory=list)

    def receive(self, event: Event, *, succeeds: bool) -> None:
        """One message. What has succeeded is not done again; what has failed only for a higher attempt."""
        known = self.deliveries.get(event.id)
        if known is None or (not known.succeeded and event.attempt > known.event.attempt):
            self._finish(Delivery(event, succeeds))
        else:
            attempt = max(event.attempt, known.event.attempt)
            self._finish(replace(known, event=replace(known.event, attempt=attempt)), again=True)

    def failed(self) -> list[Delivery]:
        return [each for each in self.deliveries.values() if not each.succeeded]

    def redrive(self, delivery: Delivery) -> None:
        """A person has the dead letter delivered after all: same attempt, same key."""
        self._finish(replace(delivery, succeeded=True))

    def _finish(self, delivery: Delivery, *, again: bool = False) -> None:
        if delivery.succeeded and not again:
            self.effects[delivery.event.id] += 1
        self.deliveries[delivery.event.id] = delivery
        status = OutcomeStatus.SUCCEEDED if delivery.succeeded else OutcomeStatus.FAILED
        self.outcomes.append(Scenario.outcome(delivery.event, status, at=self.now))
