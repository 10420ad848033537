"""Dead letters, and how they are redriven or discarded (docs/architecture.md#dead-letters)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

HORIZON_SECONDS = 86_400.0
"""How long what is redriven may be tried at least, in Almanac's time: its event may have expired long ago."""


class DeadLetterStatus(StrEnum):
    """OPEN is neither redriven nor discarded. REDRIVEN is on its way again: how it ends now, its delivery says."""

    OPEN = "OPEN"
    REDRIVEN = "REDRIVEN"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One delivery, event or message that was given up.

    What no endpoint wanted has no delivery and no endpoint. A message that could not be read has a ``queue``, and only
    what its attributes say about its event. ``payload`` is the message's body. ``note`` says why it was discarded.
    """

    id: UUID
    status: DeadLetterStatus
    reason: str
    detail: str | None
    delivery_id: UUID | None
    event_id: UUID | None
    user_id: UUID | None
    event_type: str | None
    priority: int | None
    endpoint_id: UUID | None
    payload: str
    attempts: int
    http_status: int | None
    trace_id: str | None
    queue: str | None
    created_at: datetime
    resolved_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant: those that meet everything given, from ``from_at`` on and before ``to_at``."""

    event_type: str | None = None
    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    reason: str | None = None
    status: DeadLetterStatus | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Redrive:
    """A redrive of many. ``total`` were open when it began; ``skipped`` could not be redriven, and are open still.

    A ``cancelled`` one has finished early: what it had not come to is open as before.
    """

    id: UUID
    selection: Selection
    total: int
    redriven: int
    skipped: int
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
