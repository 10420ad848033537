"""Which columns of the old database hold what: defaults for the common layout, and a TOML file for others."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

AlmanacType = Literal["user", "REMINDER", "NOTIFICATION", "skip"]
"""What a pending event becomes: ``user`` follows from its user (a birthday), ``skip`` is left behind."""


class MappingError(ValueError):
    """The mapping file cannot be used; the message names the error."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UsersTable(_Table):
    """Columns of users. Those of ``OPTIONAL`` are used where the table has them, or where the file names them."""

    table: str = "users"
    where: str = ""
    external_id: str = "id"
    first_name: str = "first_name"
    last_name: str = "last_name"
    date_of_birth: str = "date_of_birth"
    timezone: str = "timezone"
    email: str = "email"
    phone: str = "phone"
    tags: str = "tags"
    delivery_time: str = "delivery_time"
    anniversaries: Mapping[str, str] = Field(default_factory=dict)
    """By label, the column of the date."""


_TYPES: Mapping[str, AlmanacType] = {
    "BIRTHDAY": "user",
    "ANNIVERSARY": "REMINDER",
    "REMINDER": "REMINDER",
    "NOTIFICATION": "NOTIFICATION",
}


class EventsTable(_Table):
    """Columns of events, and what their types and states mean."""

    table: str = "events"
    where: str = ""
    key: str = "id"
    user: str = "user_id"
    type: str = "event_type"
    status: str = "status"
    target: str = "target_timestamp_utc"
    idempotency_key: str = "idempotency_key"
    payload: str = "delivery_payload"
    finished_at: str = "executed_at"
    reason: str = "failure_reason"
    message_key: str = "message"
    """The key of the payload that holds the message."""
    types: Mapping[str, AlmanacType] = _TYPES
    """By the old type; one that is not named becomes a NOTIFICATION."""
    waiting: tuple[str, ...] = ("PENDING",)
    in_hand: tuple[str, ...] = ("PROCESSING",)
    completed: tuple[str, ...] = ("COMPLETED",)
    failed: tuple[str, ...] = ("FAILED",)


class SchedulesTable(_Table):
    """Columns of recurring reminders. The default layout has no such table: ``table`` is empty."""

    table: str = ""
    where: str = ""
    key: str = "id"
    user: str = "user_id"
    label: str = "label"
    start_local: str = "start_local"
    rrule: str = "rrule"
    timezone: str = "timezone"
    message: str = "message"
    payload: str = "payload"


class OldSystem(_Table):
    """The whole mapping."""

    users: UsersTable = UsersTable()
    events: EventsTable = EventsTable()
    schedules: SchedulesTable = SchedulesTable()

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        events = self.events
        named = (*events.waiting, *events.in_hand, *events.completed, *events.failed)
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"events: status {twice[0]} is named twice")
        return self

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """Of a TOML file; without one, the defaults. Raises MappingError."""
        if path is None:
            return cls()
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise MappingError(f"{path}: {error}") from None
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, each['loc'])) or 'mapping'}: {each['msg']}" for each in error.errors())
            raise MappingError(f"{path}: {'; '.join(faults)}") from None
