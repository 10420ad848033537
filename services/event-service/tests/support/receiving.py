"""A model of everything behind the bus: messages in flight, deliveries that happen once, and outcomes on their way."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
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
    """The messages are on their way, and the publisher gets no answer."""
    HANGS = "hangs"
    """The publisher gets no answer. The messages are accepted later, or never."""
    HALF = "half"
    """Of three messages one is accepted, one refused, and one gets no answer."""
    DIES_BEFORE = "dies before"
    DIES_DURING = "dies during"
    """The process ends while calls are in progress: their messages are accepted later, or never."""
    DIES_AFTER = "dies after"


_ACCEPTED = Published(None, None)
_REFUSED = Published("refused", None)
_SILENT = Published("no answer", None, maybe=True)


@dataclass
class MoodyBus:
    """The port of due events.

    ``in_flight`` is what a delivery may get, in any order, again, or never. ``open`` is what calls without an answer
    may still bring there. ``meanwhile`` runs once, during the next call. ``sent`` is what was published, by
    whatever answer, with the time at which it was.
    """

    in_flight: list[Event] = field(default_factory=list)
    open: list[Event] = field(default_factory=list)
    mood: Mood = Mood.WELL
    meanwhile: Callable[[], Awaitable[None]] | None = None
    sent: list[tuple[Event, datetime]] = field(default_factory=list)

    async def room(self, priority: int) -> int:
        return 1000

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        mood = self.mood
        if mood is Mood.DIES_BEFORE:
            raise CrashError
        self.sent += [(event, now) for event in events]
        answers = [self._begin(mood, number, event) for number, event in enumerate(events)]
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        if mood in (Mood.DIES_DURING, Mood.DIES_AFTER):
            raise CrashError
        return answers

    def _begin(self, mood: Mood, number: int, event: Event) -> Published:
        """The fate of one message, and the response to the publisher."""
        if mood is Mood.HALF:
            mood = (Mood.WELL, Mood.REFUSES, Mood.HANGS)[number % 3]
        if mood is Mood.REFUSES:
            return _REFUSED
        if mood in (Mood.HANGS, Mood.DIES_DURING):
            self.open.append(event)
            return _SILENT
        self.in_flight.append(event)
        return _SILENT if mood is Mood.LOSES_ANSWERS else _ACCEPTED

    def settle(self, index: int, *, accepted: bool) -> None:
        """Let a call without an answer come to its end."""
        event = self.open.pop(index)
        if accepted:
            self.in_flight.append(event)


@dataclass(frozen=True)
class Delivery:
    event: Event
    succeeded: bool


@dataclass
class Inbox:
    """Deliveries by the rules of docs/architecture.md#delivery, and how often a webhook of each event took effect."""

    now: datetime
    effects: Counter[UUID] = field(default_factory=Counter)
    deliveries: dict[UUID, Delivery] = field(default_factory=dict)
    outcomes: list[DeliveryOutcomeItem] = field(default_factory=list)

    def receive(self, event: Event, *, succeeds: bool) -> bool:
        """One message. What has succeeded is not done again; what has failed only for a higher attempt.

        Returns whether a webhook was sent.
        """
        known = self.deliveries.get(event.id)
        if known is None or (not known.succeeded and event.attempt > known.event.attempt):
            self._finish(Delivery(event, succeeds))
            return True
        attempt = max(event.attempt, known.event.attempt)
        self._finish(replace(known, event=replace(known.event, attempt=attempt)), again=True)
        return False

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
