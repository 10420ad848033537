"""Requests and replies about schedules. Their rules have a module of their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from chassis.api.send_windows import HoursBody, SendWindowInput, window_of
from chassis.api.wire import NOT_SENT, PatchModel, RequestModel, WireModel
from chassis.core.zones import zone
from contracts.vocabulary import EventType, Priority
from contracts.wire import LocalTime
from event_service.adapters.schedule_views import ScheduleView
from event_service.api.inputs import (
    Expiry,
    Gap,
    Grace,
    IgnoreSendWindow,
    Label,
    Messages,
    Overlap,
    OwnZone,
    Payload,
    Raised,
    SpreadSeconds,
    Template,
    length,
)
from event_service.api.rule_schemas import (
    BusinessDaysBody,
    BusinessDaysInput,
    PatchRule,
    RuleBody,
    RuleInput,
    agreed_zone,
)
from event_service.domain.local_time import GapPolicy, LeapDayPolicy, OverlapPolicy
from event_service.domain.patterns import parts_of
from event_service.domain.schedule_requests import NewSchedule
from event_service.domain.schedules import CatchUp, Source, Status

_SETTINGS = ("gap", "overlap", "leap_day", "catch_up", "message", "messages")


def _only_reminders(value: EventType) -> EventType:
    if value is not EventType.REMINDER:
        raise ValueError(
            "must be REMINDER: birthdays and anniversaries follow from their users, notifications are events"
        )
    return value


CatchUpPolicy = Annotated[
    CatchUp | None,
    Field(
        description="How many occurrences fire late that passed during an outage, or by a change of zone or rule: `one`"
        " (the event counts the others as `coalesced`), `all` inside their grace, or `none`. Null: `one` after a change"
        " and for rules that come more than once a day, `all` after an outage for others."
    ),
]
Urgent = Annotated[bool, Field(strict=True, description="An urgent reminder is HIGH.")]
LeapDay = Annotated[LeapDayPolicy | None, Field(description="For 29 February in common years; of YEARLY rules only.")]
ReminderType = Annotated[
    EventType, AfterValidator(_only_reminders), WithJsonSchema({"type": "string", "const": EventType.REMINDER.value})
]


class ScheduleFields(RequestModel):
    """A schedule without its user."""

    event_type: ReminderType = EventType.REMINDER
    label: Label
    rule: RuleInput
    timezone: OwnZone = None
    priority: Raised = None
    urgent: Urgent = False
    gap: Gap = None
    overlap: Overlap = None
    leap_day: LeapDay = None
    catch_up: CatchUpPolicy = None
    grace_seconds: Grace = None
    expiry_seconds: Expiry = None
    message: Template | None = None
    messages: Messages = Field(default_factory=dict)
    send_window: SendWindowInput | None = None
    ignore_send_window: IgnoreSendWindow = False
    business_days: BusinessDaysInput | None = None
    spread_seconds: SpreadSeconds = 0
    payload: Payload = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_one_zone(self) -> Self:
        agreed_zone(self.timezone, self.rule.lines)
        return self

    def for_user(self, user_id: UUID) -> NewSchedule:
        settings = {name: getattr(self, name) for name in _SETTINGS}
        lengths = {"grace": length(self.grace_seconds), "expiry": length(self.expiry_seconds)}
        return NewSchedule(
            user_id=user_id,
            event_type=self.event_type,
            label=self.label,
            parts=self.rule.parts(),
            timezone=agreed_zone(self.timezone, self.rule.lines),
            priority=self.priority,
            urgent=self.urgent,
            payload=self.payload,
            settings={
                **settings,
                **lengths,
                "window": window_of(self.send_window),
                "ignores_window": self.ignore_send_window,
                "business_days": None if self.business_days is None else self.business_days.business_days(),
                "spread": self.spread_seconds,
            },
        )


class CreateSchedule(ScheduleFields):
    """A new schedule. Policies, grace, expiry and message are the type's where they are absent or null."""

    user_id: UUID

    def new_schedule(self) -> NewSchedule:
        return self.for_user(self.user_id)


class PatchSchedule(PatchModel):
    """A partial update (RFC 7396). Null takes a field back to its default. `urgent` and `priority` are set together."""

    label: Label = NOT_SENT
    rule: PatchRule = NOT_SENT
    timezone: OwnZone = NOT_SENT
    priority: Raised = NOT_SENT
    urgent: Urgent = NOT_SENT
    gap: Gap = NOT_SENT
    overlap: Overlap = NOT_SENT
    leap_day: LeapDay = NOT_SENT
    catch_up: CatchUpPolicy = NOT_SENT
    grace_seconds: Grace = NOT_SENT
    expiry_seconds: Expiry = NOT_SENT
    message: Template | None = NOT_SENT
    messages: Messages | None = NOT_SENT
    send_window: SendWindowInput | None = NOT_SENT
    ignore_send_window: IgnoreSendWindow | None = NOT_SENT
    business_days: BusinessDaysInput | None = NOT_SENT
    spread_seconds: SpreadSeconds | None = NOT_SENT
    payload: Payload | None = NOT_SENT

    @model_validator(mode="after")
    def _in_one_zone(self) -> Self:
        sent = self.changes()
        if "rule" in sent:
            agreed_zone(sent.get("timezone"), self.rule.lines)
        return self

    def patch(self) -> dict[str, Any]:
        """By the names of :func:`event_service.application.schedules.update_schedule`."""
        sent = self.changes()
        if "rule" in sent:
            sent["rule"] = self.rule.parts()
            if (there := agreed_zone(sent.get("timezone"), self.rule.lines)) is not None:
                sent["timezone"] = there
        if "messages" in sent:
            sent["messages"] = sent["messages"] or {}
        if "send_window" in sent:
            sent["window"] = window_of(sent.pop("send_window"))
        if "ignore_send_window" in sent:
            sent["ignores_window"] = sent.pop("ignore_send_window") or False
        if "spread_seconds" in sent:
            sent["spread"] = sent.pop("spread_seconds") or 0
        if self.business_days is not None:
            sent["business_days"] = self.business_days.business_days()
        for name in ("grace", "expiry"):
            if f"{name}_seconds" in sent:
                sent[name] = length(sent.pop(f"{name}_seconds"))
        return sent


class ScheduleBody(WireModel):
    """A schedule. Null in a policy, grace, expiry or message: as its type has it.

    `nextAt` without a `liveEventId` is too far ahead for an event yet. A schedule whose `source` is `user` follows from
    what user-service says of its user.
    """

    id: UUID
    version: int
    user_id: UUID
    event_type: EventType
    source: Source
    status: Status
    priority: Priority
    label: str | None
    rule: RuleBody
    local_time: LocalTime
    timezone: str
    follows_user: bool
    gap: GapPolicy | None
    overlap: OverlapPolicy | None
    leap_day: LeapDayPolicy | None
    catch_up: CatchUp | None
    grace_seconds: int | None
    expiry_seconds: int | None
    message: str | None
    messages: dict[str, str]
    send_window: Sequence[HoursBody] | None = Field(description="Its own; its user's wins.")
    user_send_window: Sequence[HoursBody] | None = Field(description="Its user's own.")
    ignore_send_window: bool
    business_days: BusinessDaysBody | None
    spread_seconds: int
    payload: dict[str, object]
    last_occurrence: str | None
    live_event_id: UUID | None
    next_at: datetime | None
    next_at_local: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        schedule = view.schedule
        parts = parts_of(schedule.pattern)
        next_at = schedule.next_at
        return cls(
            id=schedule.id,
            version=schedule.version,
            user_id=schedule.user_id,
            event_type=EventType(schedule.event_type),
            source=schedule.source,
            status=schedule.status,
            priority=Priority(schedule.priority),
            label=schedule.label,
            rule=RuleBody(
                kind=parts.kind,
                start_local=parts.start.isoformat(),
                rrule=parts.rrule,
                exdates=[each.isoformat() for each in parts.exdates],
                rdates=[each.isoformat() for each in parts.rdates],
            ),
            local_time=schedule.pattern.local_time,
            timezone=schedule.timezone,
            follows_user=schedule.follows_user,
            gap=schedule.gap,
            overlap=schedule.overlap,
            leap_day=schedule.leap_day,
            catch_up=schedule.catch_up,
            grace_seconds=_seconds(schedule.grace),
            expiry_seconds=_seconds(schedule.expiry),
            message=schedule.message,
            messages=dict(schedule.messages),
            send_window=HoursBody.all_of(schedule.window),
            user_send_window=HoursBody.all_of(schedule.user_window),
            ignore_send_window=schedule.ignores_window,
            business_days=BusinessDaysBody.model_validate(schedule.business_days, from_attributes=True)
            if schedule.business_days
            else None,
            spread_seconds=schedule.spread,
            payload=dict(schedule.payload),
            last_occurrence=schedule.last_occurrence,
            live_event_id=schedule.live_event_id,
            next_at=next_at,
            next_at_local=next_at.astimezone(zone(schedule.timezone)) if next_at else None,
            created_at=view.created_at,
            updated_at=view.updated_at,
        )


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
