"""Calendar feeds as iCalendar (RFC 5545, with the names of RFC 7986)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fastapi import Response
from icalendar import Calendar, Event, vDuration, vText

from event_service.domain.calendar_feeds import Entry

REFRESH = timedelta(hours=1)
"""How often programs are asked to look again."""
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}, "description": "The calendar (RFC 5545)."}
}


class CalendarResponse(Response):
    """A calendar, for the holder of its token alone."""

    media_type = "text/calendar"

    def __init__(self, content: bytes) -> None:
        super().__init__(content, headers={"Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer"})


def to_icalendar(name: str, entries: Iterable[Entry], now: datetime) -> bytes:
    """Return a calendar in which each entry is an event at an instant in UTC, with its event's id as UID.

    ``now`` is its DTSTAMP, which is when a published calendar was made. Entries take no time (TRANSPARENT); one that
    will not be sent is CANCELLED.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Almanac//event-service//EN")
    calendar.add("version", "2.0")
    calendar.add("name", name)
    calendar.add("x-wr-calname", vText(name))
    calendar.add("refresh-interval", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))
    for entry in entries:
        calendar.add_component(_event(entry, now))
    return bytes(calendar.to_ical())


def _event(entry: Entry, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{entry.id}@almanac")
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("dtstart", entry.at)
    event.add("summary", entry.label or entry.message)
    if entry.label:
        event.add("description", entry.message)
    event.add("categories", [entry.event_type])
    event.add("status", "CANCELLED" if entry.missed else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    return event
