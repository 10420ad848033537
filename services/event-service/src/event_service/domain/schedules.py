"""Schedules: a rule for one user, and the one event of it that comes next."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.send_window import SendWindow
from event_service.domain.business_days import BusinessDays
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.patterns import Pattern, RecurringPattern
from event_service.domain.record import record


class Source(StrEnum):
    """Where a schedule comes from, and so who may change it."""

    USER = "user"
    """It follows from what user-service says of its user."""
    API = "api"


class Status(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ENDED = "ENDED"
    """Its rule has no occurrence left."""


class CatchUp(StrEnum):
    """How many occurrences are made up for that passed while nothing ran, or before a change of zone or rule."""

    ONE = "one"
    """At most one, late. It counts the others, which have no event."""
    ALL = "all"
    """All that are inside their grace, late, in order. The others are MISSED."""
    NONE = "none"
    """None. The event that ended last counts them."""


@record
class LiveEvent:
    """The event that a schedule names, its next. One that is not ``pending`` is being published: nothing changes it any
    more. Once its publication is recorded the schedule names its successor.

    One that was ``rescheduled`` has a time of its own: a local time in a zone (``wall``), or an instant. ``planned`` is
    as in :class:`event_service.domain.events.Event`.
    """

    id: UUID
    target: datetime
    occurrence: str
    pending: bool
    rescheduled: bool = False
    wall: datetime | None = None
    timezone: str = ""
    follows_user: bool = False
    grace_until: datetime | None = None
    planned: datetime | None = None


@record
class Schedule:
    """A rule for one user: its events and their times. None in a policy, in grace, expiry or message: as its type has
    it.

    ``last_occurrence`` is the latest whose firing is recorded: none up to it may come again. ``next_at`` without a live
    event is too far ahead for one. ``version`` rises when a client changes the schedule, not when it advances.
    ``floor_at`` is when its rule or zone last changed: no occurrence before it is made up for. ``has_moved``: an
    occurrence was moved behind its successor, and may still wait beside the live event.

    ``user_window`` and ``user_timezone`` are copies of its user's send window, which wins over ``window``, and of its
    user's zone where that is not ``timezone``. ``spread`` is in seconds.
    """

    id: UUID
    user_id: UUID
    event_type: str
    source: Source
    priority: int
    pattern: Pattern
    timezone: str
    follows_user: bool
    label: str | None = None
    gap: GapPolicy | None = None
    overlap: OverlapPolicy | None = None
    leap_day: LeapDayPolicy | None = None
    grace: timedelta | None = None
    expiry: timedelta | None = None
    message: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    status: Status = Status.ACTIVE
    last_occurrence: str | None = None
    live_event_id: UUID | None = None
    next_at: datetime | None = None
    version: int = 1
    catch_up: CatchUp | None = None
    floor_at: datetime | None = None
    has_moved: bool = False
    traceparent: str | None = None
    window: SendWindow | None = None
    ignores_window: bool = False
    user_window: SendWindow | None = None
    user_timezone: str | None = None
    business_days: BusinessDays | None = None
    spread: int = 0
    messages: Mapping[str, str] = field(default_factory=dict)
    """Messages in other languages, by locale."""

    @property
    def timing(self) -> tuple[object, ...]:
        """All that its times follow from; windows and spreads only say when those are sent."""
        return (self.pattern, self.timezone, self.gap, self.overlap, self.leap_day, self.business_days)

    @property
    def is_dense(self) -> bool:
        """Whether it may come more than once a day."""
        return isinstance(self.pattern, RecurringPattern) and not self.pattern.once_a_day

    @property
    def catches_up(self) -> CatchUp:
        """The policy after an outage: by default one of a series that may come more than once a day, else all."""
        return self.catch_up or (CatchUp.ONE if self.is_dense else CatchUp.ALL)
