"""The environment of event-service."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from chassis.api.send_windows import SendWindowInput
from chassis.settings import ServiceSettings
from contracts.vocabulary import EventType
from event_service.application.messages import checked_translations
from event_service.application.strategies import STRATEGIES
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.templates import check_template

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
    """Events claimed at once, per priority: many share a round trip, and are published long before the lease ends."""
    claim_lease_seconds: float = Field(60.0, gt=0)
    """After so long a claim whose publication is not recorded is taken over. It is published during the first half."""
    outcome_timeout_seconds: float = Field(7200.0, gt=0)
    """When a published event without an outcome is published again: the retry horizon (an hour) plus an hour. An event
    whose publication got no answer stays PROCESSING for as long. It must outlast the longest backlog of deliveries."""
    claim_ahead_seconds: float = Field(0.1, ge=0, le=1.0)
    """How long before its target an event is claimed, to be published on the instant: time for the claim, and for a
    look at the queue's depth. From then on it cannot be cancelled or moved. Nothing is ever published early."""
    scheduler_poll_seconds: float = Field(1.0, gt=0, le=2.0)
    """The longest sleep of a scheduler, and so how late it sees what was inserted, nearer than the next that it knew
    of, while its LISTEN is not heard. At most two seconds: who inserts something later than that wakes nobody."""
    queue_depth_limit: int = Field(1000, ge=1)
    """A priority is claimed only while its queue holds fewer messages: the backlog stays where it has order."""
    broadcast_chunk: int = Field(5000, ge=1, le=50_000)
    """Users looked at in one transaction of a broadcast. While it lasts, half a second perhaps, their changes wait."""
    reap_seconds: float = Field(5.0, gt=0)
    """Pause between two looks for expired claims, missing outcomes and missed events."""
    retention_days: float = Field(400.0, ge=62)
    """How long a month of events is kept after its end, on the events' clock; with anything in it alive, longer. It
    must outlast whatever looks back: retries, redriven deliveries, last year's birthday."""
    grace_hours_birthday: Grace = 72.0
    grace_hours_anniversary: Grace = 72.0
    grace_hours_reminder: Grace = 24.0
    grace_hours_notification: Grace = 24.0
    """How late an event of the type may still be fired. Two weeks at most: partitions are made for that much of the
    past."""
    expiry_hours_birthday: Expiry = None
    expiry_hours_anniversary: Expiry = None
    expiry_hours_reminder: Expiry = None
    expiry_hours_notification: Expiry = None
    """How long after its target an event may still be delivered. None: as long as it may be fired; never less."""
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
    """The same in other languages, by BCP 47 tag: ``{"de": "Hallo {first_name}", "pt-BR": "Oi {first_name}"}``. A user
    whose locale is de-AT gets that of de-AT, else that of de, else the message above."""
    send_window_birthday: SendWindowInput | None = None
    send_window_anniversary: SendWindowInput | None = None
    send_window_reminder: SendWindowInput | None = None
    send_window_notification: SendWindowInput | None = None
    """When events of the type may be sent, in their users' zones, as JSON:
    ``[{"days": ["MO", "TU", "WE", "TH", "FR", "SA", "SU"], "from": "08:00", "until": "21:00"}]``. None: at any time.
    A schedule's, a broadcast's and above all a user's own window take its place. A window that changes holds at once
    for what fires; what waits is placed by it when it is planned next."""
    gap_policy_birthday: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_anniversary: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_reminder: GapPolicy = GapPolicy.SHIFT_FORWARD
    gap_policy_notification: GapPolicy = GapPolicy.SHIFT_FORWARD
    """What becomes of a local time that a clock change leaves out."""
    overlap_policy_birthday: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_anniversary: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_reminder: OverlapPolicy = OverlapPolicy.FIRST
    overlap_policy_notification: OverlapPolicy = OverlapPolicy.FIRST
    """Which of the two counts where a clock change brings a local time twice."""
    leap_day_policy_birthday: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_anniversary: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_reminder: LeapDayPolicy = LeapDayPolicy.BACKWARD
    leap_day_policy_notification: LeapDayPolicy = LeapDayPolicy.BACKWARD
    """When 29 February is kept in a common year."""

    @model_validator(mode="after")
    def _expires_after_its_grace(self) -> Self:
        for type in map(str.lower, EventType):
            grace, expiry = getattr(self, f"grace_hours_{type}"), getattr(self, f"expiry_hours_{type}")
            if expiry is not None and expiry < grace:
                raise ValueError(f"expiry_hours_{type} must not be less than grace_hours_{type} ({grace:g})")
        return self
