"""What makes a type of event its own."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from contracts.vocabulary import EventType
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule


class Strategy(Protocol):
    """The schedules of a type that nobody has to ask for, and the words of its messages."""

    @property
    def event_type(self) -> EventType: ...

    @property
    def placeholders(self) -> frozenset[str]:
        """What its templates may name: the person, and the keys of :meth:`values`."""

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        """The schedules that follow from what is known of a user, as they should be."""

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        """What an occurrence's message may say beside the user's name, its numbers as ``locale`` has them."""
