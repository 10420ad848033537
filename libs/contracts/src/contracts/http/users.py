"""Users (user-service), and imports of any service."""

from collections.abc import Sequence
from datetime import date, datetime, time
from uuid import UUID

from contracts.http.model import HttpModel


class Anniversary(HttpModel):
    """A dated occasion of a user, other than the birthday."""

    id: UUID
    label: str
    date: date
    important: bool


class User(HttpModel):
    """A user. ``version`` is what an update needs as ``expected``."""

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


class Fault(HttpModel):
    """A field, and the rule that it breaks."""

    field: str
    detail: str


class RefusedLine(HttpModel):
    """A line of an import that broke a rule."""

    line: int
    errors: Sequence[Fault]


class ImportJob(HttpModel):
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


class MissingUser(HttpModel):
    """A user with an external id who was not in the body of a sync."""

    user_id: UUID
    external_id: str
    created_at: datetime
