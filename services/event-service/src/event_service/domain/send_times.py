"""When an event is sent: its instant, spread over some seconds, and moved to the next opening of its send window.

ADR 31 says why this is worked out when an occurrence is planned, and only checked when it fires.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chassis.core.zones import zone
from contracts.send_window import SendWindow
from event_service.domain.events import Event
from event_service.domain.local_time import Applied
from event_service.domain.recipients import Recipient
from event_service.domain.record import record
from event_service.domain.schedules import Schedule
from event_service.domain.spread import offset, share_of
from event_service.domain.type_rules import Rulebook

NO_OPENING = "send window: no opening before grace ends"
"""Why an event is MISSED that was due outside its window, and that the next opening finds past its grace."""

HELD_BACK = "outside its send window"
"""Why an event that was due waits again."""


@record
class SendTime:
    """When to send. ``planned`` is when it would have been without a window, and what grace and expiry count from."""

    due: datetime
    planned: datetime
    applied: tuple[Applied, ...] = ()


@record
class Slot:
    """What many share who are due at one instant: from when on they are sent, and over how long they can be spread."""

    instant: datetime
    opening: datetime
    room: timedelta
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """What decides when an event is sent that is due at an instant.

    ``window`` None: at any time. ``zone`` is that of the person, in which the window is judged. ``share``: see
    :mod:`event_service.domain.spread`.
    """

    zone: ZoneInfo
    grace: timedelta
    window: SendWindow | None = None
    spread: timedelta = timedelta()
    share: int = 0

    @property
    def moves(self) -> bool:
        """Whether it ever sends at another instant than that at which an event is due."""
        return bool(self.spread) or (self.window is not None and not self.window.always_open)

    @property
    def longest_delay(self) -> timedelta:
        """Nothing is sent later than this after its instant."""
        wait = timedelta() if self.window is None else min(self.window.longest_wait, self.grace)
        return wait + self.spread

    def at(self, instant: datetime) -> SendTime:
        """Return when to send an event due at ``instant``.

        It waits for the next opening of the window where that comes inside the grace. Where none does it keeps its
        instant: when it is due it will be MISSED, with a record (``NO_OPENING``).
        """
        slot = self.slot(instant)
        if slot.missed:
            return SendTime(instant, instant, (Applied.SEND_WINDOW_MISSED,))
        later = offset(self.share, slot.room)
        applied = ((Applied.SEND_WINDOW,) if slot.opening > instant else ()) + ((Applied.SPREAD,) if later else ())
        return SendTime(slot.opening + later, instant + later, applied)

    def slot(self, instant: datetime) -> Slot:
        """Return what of :meth:`at` does not depend on the share."""
        opening, room = self._opening(instant), self.spread
        if opening is None or opening - instant >= self.grace:
            return Slot(instant, instant, timedelta(), missed=True)
        if self.spread and self.window is not None:
            closing = self.window.closing(opening, self.zone)
            room = self.spread if closing is None else min(self.spread, closing - opening)
        return Slot(instant, opening, room)

    def held_back(self, now: datetime, grace_until: datetime) -> datetime | None:
        """Return when to send an event that is due and not inside its window at ``now``; None where it is MISSED."""
        opening = self._opening(now)
        if opening is None or opening >= grace_until:
            return None
        due = self.at(now).due if self.grace > opening - now else opening
        return due if due < grace_until else opening

    def _opening(self, instant: datetime) -> datetime | None:
        return instant if self.window is None else self.window.opening(instant, self.zone)


def sending_of(rules: Rulebook, schedule: Schedule) -> Sending:
    """Return what decides when the events of ``schedule`` are sent."""
    own = rules[schedule.event_type]
    return Sending(
        zone(schedule.user_timezone or schedule.timezone),
        own.grace_of(schedule),
        own.window_of(schedule),
        timedelta(seconds=schedule.spread),
        share_of(schedule.id) if schedule.spread else 0,
    )


def window_of(rules: Rulebook, event: Event) -> SendWindow | None:
    """Return when ``event`` may be sent; None: at any time."""
    if event.ignores_window:
        return None
    return event.user_window or event.window or rules[event.event_type].window


def sending_for(rules: Rulebook, event: Event) -> Sending:
    """Return what decides when ``event`` is sent, whether a schedule made it or not."""
    return Sending(
        zone(event.window_timezone or event.timezone),
        event.grace_until - (event.planned or event.target),
        window_of(rules, event),
        timedelta(seconds=event.spread),
        share_of(event.schedule_id or event.id) if event.spread else 0,
    )


def sent_at(rules: Rulebook, event: Event, instant: datetime) -> Event:
    """Return ``event`` as it is sent where it is due at ``instant``; grace and expiry go along."""
    sent = sending_for(rules, event).at(instant)
    by = sent.planned - (event.planned or event.target)
    return replace(
        event,
        target=sent.due,
        planned=None if sent.planned == sent.due else sent.planned,
        grace_until=event.grace_until + by,
        expires_at=event.expires_at + by,
    )


def of_person(event: Event, recipient: Recipient) -> Event:
    """Return ``event`` with its user's own window, and with the zone in which windows are judged."""
    return replace(event, user_window=recipient.send_window, window_timezone=other_zone(event.timezone, recipient))


def other_zone(timezone: str, recipient: Recipient) -> str | None:
    """Return the user's zone where that is not ``timezone``."""
    return None if timezone == recipient.timezone else recipient.timezone
