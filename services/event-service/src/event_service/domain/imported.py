"""What imports bring of another system: schedules and events under keys of its own, and its history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")

MAX_EXTERNAL_KEY = 200
"""Characters of what the other system calls a schedule or an event."""
MAX_IDEMPOTENCY_KEY = 255
"""Printable ASCII characters: it goes into a header."""


@dataclass(frozen=True, slots=True)
class Imported(Generic[T]):
    """A line: what it asks for, under what key, and for whom: by our id or by the external one."""

    external_key: str
    content: T
    user_id: UUID | None
    user_external_id: str | None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class NewHistory:
    """An event that another system has fired, or failed to."""

    event_type: str
    status: str
    target: datetime
    finished_at: datetime
    reason: str | None = None
    timezone: str | None = None
    occurrence: str | None = None
    priority: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
