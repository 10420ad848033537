"""Schedules: a rule for one user, and the one event of it that is alive."""

from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """The event that a schedule names."""

    id: UUID
    target: datetime
    occurrence: str
    pending: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """A yearly rule. ``last_occurrence`` is the latest that has ended: none up to it may come again."""

    id: UUID
    user_id: UUID
    event_type: str
    priority: int
    month: int
    day: int
    local_time: time
    timezone: str
    last_occurrence: str | None = None
    live: LiveEvent | None = None


def same_day(one: Schedule, other: Schedule) -> bool:
    """True where only zone or time differ: then it is the same occurrence that moves."""
    return (one.month, one.day) == (other.month, other.day)
