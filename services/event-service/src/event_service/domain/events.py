"""Events: one occurrence each, and the states it goes through (docs/architecture.md#states).

::

    PENDING ──► PROCESSING ──► COMPLETED | FAILED        FAILED ──► COMPLETED (a redriven delivery)
       │  ▲         │
       │  └─────────┘ certainly not published, or its publication not confirmed within the outcome horizon
       └──► CANCELLED | MISSED
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.send_window import SendWindow
from event_service.domain.local_time import GapPolicy, OverlapPolicy
from event_service.domain.record import record

LATE_AFTER = timedelta(seconds=60)
"""From here on an event counts as late: fresher ones go first (docs/architecture.md#missed-events)."""


@record
class EventKey:
    """An event's id and its instant: together they find its partition."""

    id: UUID
    target: datetime


@record
class Event:
    """An event as it is scheduled, claimed and finished.

    ``wall`` is the local time that its instant was derived from, None where it was given as an instant. One that
    ``follows_user`` moves with that local time to another zone. One that was ``rescheduled`` keeps the time that it was
    given, whatever its schedule's rule says. ``gap`` and ``overlap`` are its own where no schedule has them (None: its
    type's). ``template`` is the message before names are filled in,
    of an event without a schedule; None where the payload is as it was given. ``external_id`` is what the client's own
    system calls the user. ``idempotency_key`` is what receivers deduplicate by, None where that is the event's id.

    ``planned`` is when it was to be sent before it waited for its send window, None where it does not wait. ``window``
    is that of its schedule or broadcast, ``user_window`` its user's own, which wins; None in both: its type's. They are
    judged in ``window_timezone`` (None: ``timezone``). ``spread`` is that of its schedule or broadcast, in seconds.
    """

    id: UUID
    target: datetime
    schedule_id: UUID | None
    user_id: UUID
    event_type: str
    occurrence: str
    priority: int
    timezone: str
    grace_until: datetime
    expires_at: datetime
    payload: dict[str, Any]
    tags: tuple[str, ...]
    email: str | None
    phone: str | None
    traceparent: str | None
    attempt: int = 1
    broadcast_id: UUID | None = None
    wall: datetime | None = None
    follows_user: bool = False
    template: str | None = None
    rescheduled: bool = False
    gap: GapPolicy | None = None
    overlap: OverlapPolicy | None = None
    external_id: str | None = None
    idempotency_key: str | None = None
    planned: datetime | None = None
    window: SendWindow | None = None
    user_window: SendWindow | None = None
    ignores_window: bool = False
    window_timezone: str | None = None
    spread: int = 0

    @property
    def key(self) -> EventKey:
        return EventKey(self.id, self.target)

    def lateness(self, now: datetime) -> timedelta:
        """Negative where ``now`` is before the target."""
        return now - self.target

    def is_late(self, now: datetime) -> bool:
        return self.lateness(now) >= LATE_AFTER


@record
class Published:
    """The outcome of one event: accepted where ``error`` is None. ``traceparent`` is that of its publication.

    ``maybe``: there was no clear answer, so that it may have been accepted in spite of the error (ADR 0028).
    """

    error: str | None
    traceparent: str | None
    maybe: bool = False


ENDS_FROM = {
    "COMPLETED": ("PENDING", "PROCESSING", "FAILED", "CANCELLED", "MISSED"),
    "FAILED": ("PENDING", "PROCESSING"),
    "MISSED": ("PENDING", "PROCESSING"),
    "CANCELLED": ("PENDING",),
}
"""From which states an event may end in which. A delivery that succeeded has happened, whatever was believed: a publish
whose stamp was lost leaves PENDING behind while its webhook fires. MISSED ends a PROCESSING event only if its
publication was not confirmed and no process is publishing it."""
