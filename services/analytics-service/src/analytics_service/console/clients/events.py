"""event-service's API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from analytics_service.console.clients.http import Answer, Api
from contracts.vocabulary import EventStatus, EventType, Priority


class Event(Answer):
    """One event as it stands."""

    id: UUID
    event_type: EventType
    status: EventStatus
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
    payload: Mapping[str, Any] = MappingProxyType({})


class Transition(Answer):
    """One step of an event's way."""

    at: datetime
    status: EventStatus
    cause: str


class EventDetail(Event):
    """An event with its steps, oldest first."""

    history: tuple[Transition, ...] = ()


class EventPage(Answer):
    """Events of one page of a list, and where the next begins."""

    items: tuple[Event, ...]
    next_cursor: str | None = None


class HourForecast(Answer):
    """What is due within an hour."""

    hour: datetime
    total: int
    counts: Mapping[Priority, int]


class Forecast(Answer):
    """What is due between two instants."""

    since: datetime
    until: datetime
    total: int
    overdue: Mapping[Priority, int]
    hours: tuple[HourForecast, ...]


class Summary(Answer):
    """How many recipients are known, how many events wait and are in hand."""

    recipients: int
    pending: int
    processing: int


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

    async def summary(self) -> Summary:
        return await self.api.get("/v1/events/summary", Summary)

    async def forecast(self, hours: int) -> Forecast:
        return await self.api.get("/v1/forecast", Forecast, hours=hours)
