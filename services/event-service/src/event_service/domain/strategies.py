"""What makes each type of event its own: the schedules that follow from a user, and the words of its messages.

A further type is a class here and its entry in ``STRATEGIES``.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

from contracts.identity import derive_id
from contracts.vocabulary import EventType, raise_priority
from event_service.domain import templates
from event_service.domain.patterns import YearlyPattern
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule, Source


class Strategy(Protocol):
    """The schedules that a type derives from users, and the placeholders of its messages."""

    @property
    def event_type(self) -> EventType: ...

    @property
    def placeholders(self) -> frozenset[str]:
        """What its templates may name: the person, and the keys of :meth:`values`."""

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        """The schedules that follow from a user's data, in their target state."""

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        """What an occurrence's message may say beside the user's name, its numbers as ``locale`` has them."""


class Birthday:
    """One schedule per user, from the date of birth."""

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


class Anniversary:
    """One schedule for each anniversary of a user. The important ones are as urgent as a birthday."""

    event_type = EventType.ANNIVERSARY
    placeholders = templates.PERSON | templates.NUMBER | templates.LABEL

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        for each in recipient.anniversaries:
            day = date.fromisoformat(each["date"])
            yield Schedule(
                id=derive_id(recipient.user_id, f"{EventType.ANNIVERSARY}/{each['anniversaryId']}"),
                user_id=recipient.user_id,
                event_type=EventType.ANNIVERSARY,
                source=Source.USER,
                priority=raise_priority(EventType.ANNIVERSARY, important=each["important"]),
                # The day itself is not yet an anniversary of it.
                pattern=YearlyPattern(day.month, day.day, recipient.delivery_time, day.year, day.year + 1),
                timezone=recipient.timezone,
                follows_user=True,
                user_window=recipient.send_window,
                label=each["label"],
            )

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return {**templates.counted(number_of(schedule, occurrence), locale), "label": schedule.label or ""}


class Reminder:
    """Schedules that a client asks for, once or by a rule."""

    event_type = EventType.REMINDER
    placeholders = templates.PERSON | templates.LABEL

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        return ()

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return {"label": schedule.label or ""}


class Notification:
    """One-off events and broadcasts, which no schedule makes."""

    event_type = EventType.NOTIFICATION
    placeholders = templates.PERSON

    def derive(self, recipient: Recipient) -> Iterable[Schedule]:
        return ()

    def values(self, schedule: Schedule, occurrence: str, locale: str | None = None) -> Mapping[str, str]:
        return {}


STRATEGIES: Mapping[str, Strategy] = {
    each.event_type: each for each in (Birthday(), Anniversary(), Reminder(), Notification())
}


def number_of(schedule: Schedule, occurrence: str) -> int:
    """Years since the date itself. Raises TypeError for a schedule that is not yearly."""
    if not isinstance(schedule.pattern, YearlyPattern):
        raise TypeError(f"schedule {schedule.id} is not yearly: its occurrences are not counted")
    return int(occurrence) - schedule.pattern.since
