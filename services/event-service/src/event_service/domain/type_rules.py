"""How a type's events are scheduled, where their schedule does not say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from contracts.send_window import SendWindow
from event_service.domain.local_time import GapPolicy, OverlapPolicy
from event_service.domain.recurrence import Policies
from event_service.domain.schedules import Schedule
from event_service.domain.templates import translation


@dataclass(frozen=True, slots=True)
class TypeRules:
    """``grace`` is how late an event may be fired, ``expiry`` how late it may be delivered (None: as late).

    Both count from the target. An expiry is never before the grace's end: what fires then would be dead on arrival.
    ``window`` is when events may be sent (None: at any time).
    """

    grace: timedelta
    message: str
    expiry: timedelta | None = None
    policies: Policies = field(default_factory=Policies)
    window: SendWindow | None = None
    messages: Mapping[str, str] = field(default_factory=dict)
    """Messages in other languages, by locale."""

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

    def window_of(self, schedule: Schedule) -> SendWindow | None:
        """Return when a schedule's events may be sent: the user's window, its own, or the type's. None: at any time."""
        if schedule.ignores_window:
            return None
        return schedule.user_window or schedule.window or self.window

    def message_of(self, schedule: Schedule, locale: str | None = None) -> tuple[str, str | None]:
        """Return the message for a user of ``locale``, and the locale where it is a translation.

        The schedule's translations come first, then its message, then the type's translations, then its message.
        """
        own = translation(schedule.messages, locale)
        if own is not None:
            return own, locale
        if schedule.message is not None:
            return schedule.message, None
        return self.message_alone(locale)

    def message_alone(self, locale: str | None) -> tuple[str, str | None]:
        """Return the type's message for a user of ``locale``, and the locale where it is a translation."""
        own = translation(self.messages, locale)
        return (self.message, None) if own is None else (own, locale)


Rulebook = Mapping[str, TypeRules]
"""The rules of every type."""
