"""When the events of a schedule, and those without one, are sent: windows, spreads and zones put together."""

from dataclasses import replace
from datetime import datetime, timedelta

from chassis.core.zones import zone
from contracts.send_window import SendWindow
from event_service.domain.events import Event
from event_service.domain.recipients import Recipient
from event_service.domain.schedules import Schedule
from event_service.domain.send_times import Sending
from event_service.domain.spread import share_of
from event_service.domain.type_rules import Rulebook


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
