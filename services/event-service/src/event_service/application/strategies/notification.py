"""Notifications: one-off events and broadcasts, which no schedule makes."""

from collections.abc import Iterable, Mapping

from contracts.vocabulary import EventType
from event_service.domain import templates
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule


class Notification:
    event_type = EventType.NOTIFICATION
    placeholders = templates.PERSON

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        return ()

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return {}
