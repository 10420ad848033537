"""The environment of event-service."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from chassis.api.send_windows import SendWindowInput
from chassis.core.settings import ServiceSettings
from contracts.vocabulary import EventType
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.strategies import STRATEGIES
from event_service.domain.templates import check_template, checked_translations

Grace = Annotated[float, Field(gt=0, le=336.0)]
Expiry = Annotated[float | None, Field(gt=0, le=8760.0)]


def _template(type: EventType) -> AfterValidator:
    def check(value: str) -> str:
        check_template(value, STRATEGIES[type].placeholders)
        return value

    return AfterValidator(check)


def _translations(type: EventType) -> AfterValidator:
    def check(value: dict[str, str]) -> dict[str, str]:
        return checked_translations(value, STRATEGIES[type].placeholders)

    return AfterValidator(check)


class Settings(ServiceSettings):
    """Times are in seconds of real time; grace is on the events' own (maybe simulated) clock."""

    claim_batch: int = Field(500, ge=1, le=5000)
    """Events claimed, or reaped, in one statement."""
    claim_lease_seconds: float = Field(60.0, gt=0)
    """The lease of a claim. It is published during the first half; a reaper takes over a claim whose lease ended
    without a recorded publication."""
    outcome_timeout_seconds: float | None = Field(None, gt=0)
    """When a published event without an outcome is published again: an hour after ``RETRY_HORIZON_SECONDS`` if not set.
    An event whose publication got no answer stays PROCESSING for as long. It must exceed the longest backlog of
    deliveries."""
    claim_ahead_seconds: float = Field(0.1, ge=0, le=1.0)
    """How long before its target an event is claimed, so that it is published on the instant. From then on it cannot be
    cancelled or moved. No event is published early."""
    scheduler_poll_seconds: float = Field(1.0, gt=0, le=2.0)
    """The longest sleep of a scheduler: how late it sees a new event while LISTEN is not available. Inserts of events
    that are due more than two seconds ahead send no notification, which is why there is a maximum."""
    queue_depth_limit: int = Field(1000, ge=1)
    """A priority is claimed only while its queue holds fewer messages. The rest waits in PostgreSQL, in order."""
    broadcast_chunk: int = Field(5000, ge=1, le=50_000)
    """Users per transaction of a broadcast. Their changes wait while it lasts, about half a second."""
    reap_seconds: float = Field(5.0, gt=0)
    """Pause between two runs of the reapers: expired claims, missing outcomes, missed events."""
    retention_days: float = Field(400.0, ge=62)
    """How long a month of events is kept after its end; longer while one of them has not ended."""
    grace_hours_birthday: Grace = 72.0
    grace_hours_anniversary: Grace = 72.0
    grace_hours_reminder: Grace = 24.0
    grace_hours_notification: Grace = 24.0
    """How late an event of the type may still fire."""
    expiry_hours_birthday: Expiry = None
    expiry_hours_anniversary: Expiry = None
    expiry_hours_reminder: Expiry = None
    expiry_hours_notification: Expiry = None
    """How long after its target an event may still be delivered. Empty: its grace. Must be at least its grace."""
    birthday_message: Annotated[str, _template(EventType.BIRTHDAY)] = "Hey, {first_name} {last_name} it's your birthday"
    anniversary_message: Annotated[str, _template(EventType.ANNIVERSARY)] = (
        "Hey, {first_name} {last_name} it's your {ordinal} anniversary: {label}"
    )
    reminder_message: Annotated[str, _template(EventType.REMINDER)] = (
        "Hey, {first_name} {last_name} don't forget: {label}"
    )
    notification_message: Annotated[str, _template(EventType.NOTIFICATION)] = (
        "Hey, {first_name} {last_name} there is something new"
    )
    """Templates of the messages. Placeholders: ``first_name``, ``last_name``, ``full_name``; of birthdays and
    anniversaries ``occurrence_number`` and ``ordinal``; of anniversaries and reminders ``label``."""
    birthday_messages: Annotated[dict[str, str], _translations(EventType.BIRTHDAY)] = Field(default_factory=dict)
    anniversary_messages: Annotated[dict[str, str], _translations(EventType.ANNIVERSARY)] = Field(default_factory=dict)
    reminder_messages: Annotated[dict[str, str], _translations(EventType.REMINDER)] = Field(default_factory=dict)
    notification_messages: Annotated[dict[str, str], _translations(EventType.NOTIFICATION)] = Field(
        default_factory=dict
    )
    """Translations of these templates, by BCP 47 tag: ``{"de": "Hallo {first_name}", "pt-BR": "Oi {first_name}"}``. A
    user whose locale is de-AT gets that of de-AT, else that of de, else the message above."""
    send_window_birthday: SendWindowInput | None = None
    send_window_anniversary: SendWindowInput | None = None
    send_window_reminder: SendWindowInput | None = None
    send_window_notification: SendWindowInput | None = None
    """When events of the type may be sent, in the user's zone, as JSON:
    ``[{"days": ["MO", "TU", "WE", "TH", "FR", "SA", "SU"], "from": "08:00", "until": "21:00"}]``. Empty: at any time.
    The window of a user, a schedule or a broadcast takes precedence. A changed window applies at once to events that
    fire, and to waiting events when they are planned next."""
    gap_policy_birthday: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_anniversary: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_reminder: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_notification: GapPolicy = GapPolicy.SHIFT_FORWARD
    """A local time that does not exist: ``shift_forward`` or ``skip``."""
    overlap_policy_birthday: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_anniversary: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_reminder: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_notification: OverlapPolicy = OverlapPolicy.FIRST
    """A local time that occurs twice: ``first`` or ``second``."""
    leap_day_policy_birthday: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_anniversary: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_reminder: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_notification: LeapDayPolicy = LeapDayPolicy.BACKWARD
    """29 February in a common year: ``BACKWARD`` (28 February), ``FORWARD`` (1 March) or ``OMIT``."""

    @model_validator(mode="after")
    def _expires_after_its_grace(self) -> Self:
        for type in map(str.lower, EventType):
            grace, expiry = getattr(self, f"grace_hours_{type}"), getattr(self, f"expiry_hours_{type}")
            if expiry is not None and expiry < grace:
                raise ValueError(f"expiry_hours_{type} must be at least grace_hours_{type} ({grace:g})")
        return self
