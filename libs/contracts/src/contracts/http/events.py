"""Events, schedules and forecasts (event-service)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from contracts.http.model import HttpModel
from contracts.vocabulary import Priority


class Event(HttpModel):
    """An event. Types, states and priorities are open text: a newer service may know more of them."""

    id: UUID
    event_type: str
    status: str
    priority: str
    user_id: UUID
    external_id: str | None = None
    idempotency_key: str = ""
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


class Transition(HttpModel):
    """One step of an event: when, to which state, why."""

    at: datetime
    status: str
    cause: str


class EventDetail(Event):
    """An event with its history, oldest step first."""

    history: tuple[Transition, ...] = ()


class Schedule(HttpModel):
    """A schedule. ``version`` is what an update needs as ``expected``."""

    id: UUID
    version: int
    user_id: UUID
    event_type: str
    source: str
    status: str
    priority: str
    label: str | None
    rule: Mapping[str, Any]
    timezone: str
    follows_user: bool
    message: str | None
    payload: Mapping[str, Any]
    live_event_id: UUID | None
    next_at: datetime | None


class Upcoming(HttpModel):
    """A future occurrence of a schedule."""

    occurrence: str
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    wall: str
    rescheduled: bool


class Broadcast(HttpModel):
    """A broadcast. ``scheduled`` counts the events made for it so far."""

    id: UUID
    status: str
    scheduled: int


class Summary(HttpModel):
    """The number of recipients, of pending events and of events in flight."""

    recipients: int
    pending: int
    processing: int


class HourForecast(HttpModel):
    """The events due from ``hour`` until the next hour."""

    hour: datetime
    total: int
    counts: Mapping[Priority, int]


class Forecast(HttpModel):
    """Pending events between two instants, by hour and priority. ``overdue`` are those due before ``since``."""

    since: datetime
    until: datetime
    total: int
    overdue: Mapping[Priority, int]
    hours: tuple[HourForecast, ...]


class ZoneCount(HttpModel):
    """Events of one zone that are due at an instant; ``waiting`` are those that have not ended."""

    timezone: str
    total: int
    waiting: int


class Passage(HttpModel):
    """An instant at which clocks somewhere show a time of day, and the events due there."""

    instant: datetime
    total: int
    waiting: int
    zones: tuple[ZoneCount, ...]


class Passages(HttpModel):
    """The instants at which a time of day comes, zone after zone, in their order."""

    at: str
    since: datetime
    until: datetime
    passages: tuple[Passage, ...]
