"""Broadcasts: one request, an event for everyone of an audience (docs/architecture.md#broadcasts).

::

    SCHEDULING ──► SCHEDULED        its events are made, in chunks
        │              │
        └──────┬───────┘
               ▼
          CANCELLING ──► CANCELLED  pending ones are cancelled, in chunks
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.send_window import SendWindow
from event_service.domain.local_time import GapPolicy, OverlapPolicy

NOBODY = UUID(int=0)
"""Before the first user."""


class BroadcastStatus(StrEnum):
    SCHEDULING = "SCHEDULING"
    SCHEDULED = "SCHEDULED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is in one of the zones, or has one of the tags; all users if neither is named."""

    timezones: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewBroadcast:
    """A broadcast as it is asked for. ``at``: as in ``When``, a local time being one of each recipient's zone."""

    audience: Audience
    at: datetime | None
    priority: int | None = None
    message: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    gap: GapPolicy | None = None
    overlap: OverlapPolicy | None = None
    grace: timedelta | None = None
    expiry: timedelta | None = None
    window: SendWindow | None = None
    ignores_window: bool = False
    spread: int = 0
    messages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """At a local time (``wall``) or at an ``instant``.

    ``recipients`` are those of the audience who were looked at so far, ``scheduled`` those of them who have an event:
    for the others its time was past its grace already, or is one that their clocks leave out.
    """

    id: UUID
    status: BroadcastStatus
    audience: Audience
    wall: datetime | None
    instant: datetime | None
    priority: int
    message: str
    payload: Mapping[str, Any]
    gap: GapPolicy | None
    overlap: OverlapPolicy | None
    grace: timedelta
    expiry: timedelta
    traceparent: str | None
    created_at: datetime
    updated_at: datetime
    recipients: int = 0
    scheduled: int = 0
    after_user_id: UUID = NOBODY
    window: SendWindow | None = None
    ignores_window: bool = False
    spread: int = 0
    messages: Mapping[str, str] = field(default_factory=dict)

    @property
    def occurrence(self) -> str:
        """How its events are called: by their local time, or by their instant."""
        if self.wall is not None:
            return self.wall.isoformat()
        return self.instant.isoformat().replace("+00:00", "Z") if self.instant is not None else ""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many users of an audience have a zone, and a send window of their own (None: none).

    ``window_key`` identifies that window among all users' windows.
    """

    timezone: str
    recipients: int
    window_key: str | None = None
    window: SendWindow | None = None
