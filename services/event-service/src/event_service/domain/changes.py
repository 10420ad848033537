"""Changes of schedules and their pending events. ``application.planning`` writes it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.core.zones import zone
from event_service.domain import templates
from event_service.domain.events import Event, EventKey
from event_service.domain.occurrences import person_of
from event_service.domain.recipients import Recipient
from event_service.domain.recurrence import Once
from event_service.domain.schedules import LiveEvent, Schedule
from event_service.domain.send_times import of_person, sent_at
from event_service.domain.type_rules import Rulebook

EXCLUDED = "excluded by an exception"


@dataclass(frozen=True, slots=True)
class Revival:
    """A schedule that names an event which is yet to be inserted."""

    schedule: Schedule
    event: Event
    recipient: Recipient


@dataclass(slots=True)
class Changes:
    """Changes of schedules and pending events: collected first, then written by a handful of statements.

    The caller holds the locks of all that is changed: recipient, schedules by id, events by id.
    """

    rules: Rulebook
    now: datetime
    inserts: list[Event] = field(default_factory=list)
    revivals: list[Revival] = field(default_factory=list)
    revived: list[Event] = field(default_factory=list)
    """Events with a time of their own that come back: their schedules do not name them."""
    renewals: list[Event] = field(default_factory=list)
    moves: list[tuple[Event, datetime]] = field(default_factory=list)
    """With the instants that they had."""
    replaced: list[EventKey] = field(default_factory=list)
    """They are replaced by another occurrence, and may come back: nothing is kept of them."""
    cancels: dict[str, list[EventKey]] = field(default_factory=dict)
    """By the reason."""
    stored: list[Schedule] = field(default_factory=list)
    deleted: list[UUID] = field(default_factory=list)
    bulk: bool = False
    """New schedules, and their events, go by COPY: there are thousands."""
    fresh: list[Schedule] = field(default_factory=list)
    """The new schedules, in ``bulk``."""

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Discard the changes planned inside if it raises."""
        lists: list[list[Any]] = [
            self.inserts, self.revivals, self.revived, self.renewals, self.moves, self.replaced,
            self.stored, self.deleted, self.fresh,
        ]  # fmt: skip
        lengths = [len(each) for each in lists]
        cancels = {reason: len(keys) for reason, keys in self.cancels.items()}
        try:
            yield
        except BaseException:
            for each, length in zip(lists, lengths, strict=True):
                del each[length:]
            for reason, keys in self.cancels.items():
                del keys[cancels.get(reason, 0) :]
            raise

    def place(self, event: Event | None, live: LiveEvent | None) -> None:
        if event is not None and live is not None and event.id == live.id:
            if event.target == live.target:
                self.renewals.append(event)
            else:
                self.moves.append((event, live.target))
            return
        if live is not None:
            self.replaced.append(EventKey(live.id, live.target))

    def store(self, planned: Schedule, have: Schedule | None) -> Schedule:
        if planned != have:
            (self.fresh if self.bulk and have is None else self.stored).append(planned)
        return planned

    def cancel(self, event: EventKey, reason: str) -> None:
        self.cancels.setdefault(reason, []).append(event)

    def end(self, schedule: Schedule, live: LiveEvent | None, reason: str, *, moved: Sequence[Event] = ()) -> None:
        """Delete a schedule; its events are cancelled unless they are being published."""
        self.deleted.append(schedule.id)
        if live is not None:
            self.cancel(EventKey(live.id, live.target), reason)
        for event in moved:
            self.cancel(event.key, reason)

    def follow(self, event: Event, recipient: Recipient) -> None:
        """Bring a waiting event that comes from no schedule in line with its user."""
        payload = event.payload
        if event.template is not None:
            payload = {**payload, "message": templates.render(event.template, person_of(recipient))}
        renewed = replace(
            event,
            payload=payload,
            tags=recipient.tags,
            email=recipient.email,
            phone=recipient.phone,
            external_id=recipient.external_id,
        )
        if event.follows_user and event.wall is not None and event.timezone != recipient.timezone:
            renewed = of_person(replace(renewed, timezone=recipient.timezone), recipient)
            self.rezone(renewed, recipient.timezone)
            return
        renewed = of_person(renewed, recipient)
        if (renewed.user_window, renewed.window_timezone) != (event.user_window, event.window_timezone):
            renewed = sent_at(self.rules, renewed, self._unsent(event))
        if renewed.target == event.target:
            self.renewals.append(renewed)
        else:
            self.moves.append((renewed, event.target))

    def _unsent(self, event: Event) -> datetime:
        """When an event without a schedule was due before it was spread and waited for its window."""
        if event.wall is not None:
            policies = self.rules[event.event_type].policies_alone(event.gap, event.overlap)
            there = Once(event.wall, zone(event.timezone), policies).occurrence(event.wall.isoformat())
            if there is not None:
                return there.instant
        if event.spread:
            return datetime.fromisoformat(event.occurrence)
        return event.planned or event.target

    def rezone(self, event: Event, timezone: str) -> datetime | None:
        """Bring a waiting event that comes from no schedule to its local time in a zone. Returns when that is.

        None where that zone's clocks leave it out: then it is cancelled.
        """
        if event.wall is None:
            raise ValueError(f"event {event.id} was given as an instant")
        policies = self.rules[event.event_type].policies_alone(event.gap, event.overlap)
        rule = Once(event.wall, zone(timezone), policies)
        there = rule.occurrence(event.wall.isoformat())
        if there is None:
            self.cancel(event.key, "skipped in a clock change")
            return None
        moved = sent_at(self.rules, replace(event, timezone=timezone), there.instant)
        if moved.target != event.target:
            self.moves.append((moved, event.target))
        else:
            self.renewals.append(moved)
        return moved.target
