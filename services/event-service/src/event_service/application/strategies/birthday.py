"""Birthdays: one schedule per user, from the date of birth."""

from collections.abc import Iterable, Mapping

from contracts.identity import derive_id
from contracts.vocabulary import EventType, raise_priority
from event_service.application.strategies.numbering import number_of
from event_service.domain import templates
from event_service.domain.patterns import YearlyPattern
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule, Source


class Birthday:
    event_type = EventType.BIRTHDAY
    placeholders = templates.PERSON | templates.NUMBER

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        born = recipient.date_of_birth
        yield Schedule(
            id=derive_id(recipient.user_id, EventType.BIRTHDAY),
            user_id=recipient.user_id,
            event_type=EventType.BIRTHDAY,
            source=Source.USER,
            priority=raise_priority(EventType.BIRTHDAY),
            pattern=YearlyPattern(born.month, born.day, recipient.delivery_time, born.year, born.year),
            timezone=recipient.timezone,
            follows_user=True,
            user_window=recipient.send_window,
        )

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return templates.counted(number_of(schedule, occurrence), locale)
