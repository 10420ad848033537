"""Anniversaries: one schedule for each that a user has. The important ones are as urgent as a birthday."""

from collections.abc import Iterable, Mapping
from datetime import date

from contracts.identity import derive_id
from contracts.vocabulary import EventType, raise_priority
from event_service.application.strategies.numbering import number_of
from event_service.domain import templates
from event_service.domain.patterns import YearlyPattern
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule, Source


class Anniversary:
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
