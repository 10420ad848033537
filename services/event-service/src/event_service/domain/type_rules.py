"""How a type's events are scheduled, where their schedule does not say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from event_service.domain.local_time import GapPolicy, OverlapPolicy
from event_service.domain.recurrence import Policies
from event_service.domain.schedules import Schedule


@dataclass(frozen=True, slots=True)
class TypeRules:
    """``grace`` is how late an event may be fired, ``expiry`` how late it may be delivered (None: as late).

    Both count from the target. An expiry is never before the grace's end: what fires then would be dead on arrival.
    """

    grace: timedelta
    message: str
    expiry: timedelta | None = None
    policies: Policies = field(default_factory=Policies)

    def policies_of(self, schedule: Schedule) -> Policies:
        return Policies(
            schedule.gap or self.policies.gap,
            schedule.overlap or self.policies.overlap,
            schedule.leap_day or self.policies.leap_day,
        )

    def policies_alone(self, gap: GapPolicy | None, overlap: OverlapPolicy | None) -> Policies:
        """Of an event that no schedule makes."""
        return replace(self.policies, gap=gap or self.policies.gap, overlap=overlap or self.policies.overlap)

    def grace_of(self, schedule: Schedule) -> timedelta:
        return schedule.grace or self.grace

    def expiry_of(self, schedule: Schedule) -> timedelta:
        grace = self.grace_of(schedule)
        return max(schedule.expiry or self.expiry or grace, grace)

    def message_of(self, schedule: Schedule) -> str:
        return self.message if schedule.message is None else schedule.message


Rulebook = Mapping[str, TypeRules]
"""The rules of every type."""
