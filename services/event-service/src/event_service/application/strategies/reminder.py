"""Reminders: schedules that someone asked for, once or by a rule."""

from collections.abc import Iterable, Mapping

from contracts.vocabulary import EventType
from event_service.domain import templates
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule


class Reminder:
    event_type = EventType.REMINDER
    placeholders = templates.PERSON | templates.LABEL

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        return ()

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return {"label": schedule.label or ""}
