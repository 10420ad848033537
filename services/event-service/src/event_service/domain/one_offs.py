"""Events that are asked for alone, without a schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from event_service.domain.local_time import GapPolicy, OverlapPolicy


@dataclass(frozen=True, slots=True)
class When:
    """An instant, with its offset, or a naive local time in a zone; None is now.

    Without a ``timezone`` a local time is one of the user's zone, and moves with the user to another.
    """

    at: datetime | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it is asked for. None in priority, message, policies, grace or expiry: as its type has it."""

    user_id: UUID
    event_type: str
    when: When
    priority: int | None = None
    message: str | None = None
    label: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    gap: GapPolicy | None = None
    overlap: OverlapPolicy | None = None
    grace: timedelta | None = None
    expiry: timedelta | None = None
    ignores_window: bool = False
