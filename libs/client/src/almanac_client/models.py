"""What the APIs answer with. Fields that a newer service adds are ignored, so that an older client keeps working."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


def _wire_name(name: str) -> str:
    # As the services spell it: targetTimestampUTC.
    return to_camel(name).replace("Utc", "UTC")


class Model(BaseModel):
    """Base of all: camelCase on the wire, never changed."""

    model_config = ConfigDict(alias_generator=_wire_name, populate_by_name=True, frozen=True, extra="ignore")


class Anniversary(Model):
    id: UUID
    label: str
    date: date
    important: bool


class User(Model):
    """A user of user-service. ``version`` is what an update needs as ``expected``."""

    id: UUID
    version: int
    external_id: str | None = None
    first_name: str
    last_name: str
    date_of_birth: date
    timezone: str
    email: str | None
    phone: str | None
    tags: Sequence[str]
    delivery_time: time
    anniversaries: Sequence[Anniversary]
    created_at: datetime
    updated_at: datetime


class Fault(Model):
    field: str
    detail: str


class RefusedLine(Model):
    """A line of an import that broke a rule."""

    line: int
    errors: Sequence[Fault]


class ImportJob(Model):
    """An import of any service. ``rows`` is the sum of the four counts below it."""

    id: UUID
    status: str
    rows: int
    created: int
    updated: int = 0
    unchanged: int = 0
    refused: int
    missing: int | None = None
    errors_url: str
    started_at: datetime
    updated_at: datetime


class MissingUser(Model):
    """A user with an external id who was not in the body of a sync."""

    user_id: UUID
    external_id: str
    created_at: datetime


class Event(Model):
    """An event of event-service."""

    id: UUID
    event_type: str
    status: str
    priority: str
    user_id: UUID
    external_id: str | None = None
    idempotency_key: str
    schedule_id: UUID | None
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timezone: str
    grace_until: datetime
    published_at: datetime | None
    finished_at: datetime | None
    rescheduled: bool
    reason: str | None
    payload: Mapping[str, Any]


class Schedule(Model):
    """A schedule of event-service."""

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


class Upcoming(Model):
    """A time to come of a schedule."""

    occurrence: str
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    wall: str
    rescheduled: bool


class Summary(Model):
    """The number of recipients, of pending events and of events in flight."""

    recipients: int
    pending: int
    processing: int


class Endpoint(Model):
    """An endpoint of delivery-service. ``secret`` is there only where it has just been made."""

    id: UUID
    version: int
    kind: str
    url: str | None
    description: str | None
    enabled: bool
    secret: str | None = None


class Delivery(Model):
    """A delivery of an event to an endpoint."""

    id: UUID
    event_id: UUID
    endpoint_id: UUID
    status: str
