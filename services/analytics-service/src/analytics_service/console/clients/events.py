"""event-service's API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from analytics_service.console.clients.http import Answer, Api
from analytics_service.console.clients.status import EventStatus
from contracts.vocabulary import EventStatus as State
from contracts.vocabulary import EventType, Priority


class Event(Answer):
    """One event as it stands."""

    id: UUID
    event_type: EventType
    status: State
    priority: Priority
    user_id: UUID
    schedule_id: UUID | None = None
    broadcast_id: UUID | None = None
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    target_timezone: str
    grace_until: datetime
    published_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime
    rescheduled: bool = False
    reason: str | None = None
    payload: Mapping[str, Any] = Field(default_factory=dict)


class Transition(Answer):
    """One step of an event's way."""

    at: datetime
    status: State
    cause: str


class EventDetail(Event):
    """An event with its steps, oldest first."""

    history: tuple[Transition, ...] = ()


class EventPage(Answer):
    """Events of one page of a list, and where the next begins."""

    items: tuple[Event, ...]
    next_cursor: str | None = None


class HourForecast(Answer):
    """The due events of an hour."""

    hour: datetime
    total: int
    counts: Mapping[Priority, int]


class Forecast(Answer):
    """The due events between two instants."""

    since: datetime
    until: datetime
    total: int
    overdue: Mapping[Priority, int]
    hours: tuple[HourForecast, ...]


class ZoneCount(Answer):
    """Events of one zone that are due at an instant, and how many of them have not ended."""

    timezone: str
    total: int
    waiting: int


class Passage(Answer):
    """An instant at which clocks somewhere show a time of day, and the events due there."""

    instant: datetime
    total: int
    waiting: int
    zones: tuple[ZoneCount, ...]


class Passages(Answer):
    """How a time of day passes over the world, from an hour ago on."""

    at: str
    since: datetime
    until: datetime
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class EventsClient:
    """Asks event-service. Everything raises ServiceError."""

    api: Api

    async def search(self, **wanted: object) -> EventPage:
        """Events by ``userId``, ``eventType``, ``status``, ``from``, ``to``, ``cursor``; latest target first."""
        return await self.api.get("/v1/events", EventPage, **wanted)

    async def get(self, event_id: UUID) -> EventDetail:
        return await self.api.get(f"/v1/events/{event_id}", EventDetail)

    async def cancel(self, event_id: UUID) -> EventDetail:
        return EventDetail.model_validate(await self.api.send("POST", f"/v1/events/{event_id}/cancel"))

    async def reschedule(self, event_id: UUID, local: str, timezone: str) -> EventDetail:
        """Move it to the wall time ``local`` (``YYYY-MM-DDTHH:MM``) in ``timezone``."""
        body = {"at": local, "timezone": timezone}
        return EventDetail.model_validate(await self.api.send("POST", f"/v1/events/{event_id}/reschedule", body))

    async def retry(self, event_id: UUID) -> EventDetail:
        return EventDetail.model_validate(await self.api.send("POST", f"/v1/events/{event_id}/retry"))

    async def status(self) -> EventStatus:
        return await self.api.get("/v1/status", EventStatus)

    async def passages(self) -> Passages:
        """Of nine o'clock."""
        return await self.api.get("/v1/forecast/passages", Passages)

    async def forecast(self, hours: int) -> Forecast:
        return await self.api.get("/v1/forecast", Forecast, hours=hours)
