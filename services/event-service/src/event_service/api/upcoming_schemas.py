"""Replies about what a schedule has coming."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from chassis.api.wire import WireModel
from chassis.core.zones import zone
from event_service.application.coming import Coming
from event_service.domain.local_time import Applied
from event_service.domain.schedules import Schedule, Status


class UpcomingBody(WireModel):
    """One time to come. `wall` is the local time that the rule asks for, `policies` the policy that changed it.

    One that was `rescheduled` comes at its new time, which is then also `wall`. An occurrence that waits for its send
    window has the policy SEND_WINDOW, and `originalTargetTimestampUTC` has its time without the window;
    SEND_WINDOW_MISSED is MISSED, because the window does not open inside its grace.
    """

    occurrence: str
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    wall: str
    policies: Sequence[Applied]
    rescheduled: bool
    original_target_timestamp_utc: datetime | None = Field(description="Null: it does not wait for a send window.")
    stands_for: int = Field(description="How many other times of the rule come to this one and are left out.")


class UpcomingListBody(WireModel):
    """The next times of a schedule; fewer than asked for where it ends."""

    schedule_id: UUID
    status: Status
    timezone: str
    items: Sequence[UpcomingBody]

    @classmethod
    def of(cls, schedule: Schedule, coming: Sequence[Coming]) -> Self:
        there = zone(schedule.timezone)
        return cls(
            schedule_id=schedule.id,
            status=schedule.status,
            timezone=schedule.timezone,
            items=[
                UpcomingBody(
                    occurrence=each.key,
                    target_timestamp_utc=each.instant,
                    target_timestamp_local=each.instant.astimezone(there),
                    wall=each.wall.isoformat(),
                    policies=each.policy,
                    rescheduled=one.rescheduled,
                    original_target_timestamp_utc=each.planned,
                    stands_for=each.coalesced,
                )
                for one in coming
                for each in (one.occurrence,)
            ],
        )
