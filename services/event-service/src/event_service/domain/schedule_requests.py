"""The requested fields of a schedule: built, patched and checked before anything is stored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.core.zones import zone
from contracts.vocabulary import EventType, Priority
from event_service.domain.business_days import Adjust
from event_service.domain.errors import DerivedScheduleError, InvalidRuleError
from event_service.domain.event_defaults import check_message, check_messages, lateness, resolve_priority
from event_service.domain.occurrences import rule_of
from event_service.domain.patterns import (
    PatternParts,
    RecurringPattern,
    YearlyPattern,
    parts_of,
    pattern_of,
    retimed_exdates,
    unmatched_exdate,
)
from event_service.domain.recipients import Recipient
from event_service.domain.rrule import wall_series
from event_service.domain.schedules import Schedule, Source
from event_service.domain.send_times import other_zone
from event_service.domain.type_rules import Rulebook

OVERRIDES: Mapping[str, str] = {
    "catch_up": "catchUp",
    "business_days": "businessDays",
    "expiry": "expirySeconds",
    "gap": "gap",
    "grace": "graceSeconds",
    "ignores_window": "ignoreSendWindow",
    "leap_day": "leapDay",
    "message": "message",
    "messages": "messages",
    "overlap": "overlap",
    "spread": "spreadSeconds",
    "window": "sendWindow",
}
"""The fields that can be set for a schedule that follows from its user, and their names for clients: all else comes
from there."""

_FIELDS = {
    "start": "rule.startLocal",
    "wall": "rule.startLocal",
    "day": "rule.startLocal",
    "rrule": "rule.rrule",
    "exdates": "rule.exdates",
    "rdates": "rule.rdates",
}
"""What a rule calls its parts, and what the client does."""


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule as it is asked for. ``timezone`` None: the user's, wherever that is. ``settings``: ``OVERRIDES``."""

    user_id: UUID
    event_type: EventType
    label: str
    parts: PatternParts
    timezone: str | None = None
    priority: Priority | None = None
    urgent: bool = False
    payload: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def build(schedule_id: UUID, new: NewSchedule, recipient: Recipient, traceparent: str | None) -> Schedule:
    """Return the schedule that is asked for. Raises PriorityTooLowError, InvalidRuleError, InvalidTemplateError."""
    schedule = Schedule(
        id=schedule_id,
        user_id=new.user_id,
        event_type=new.event_type,
        source=Source.API,
        priority=resolve_priority(new.event_type, new.priority, urgent=new.urgent),
        pattern=pattern_of(new.parts),
        timezone=new.timezone or recipient.timezone,
        follows_user=new.timezone is None,
        label=new.label,
        payload=new.payload,
        traceparent=traceparent,
        user_window=recipient.send_window,
        user_timezone=other_zone(new.timezone or recipient.timezone, recipient),
        **new.settings,
    )
    return replace(schedule, messages=check_messages(new.event_type, schedule.messages))


def patched(have: Schedule, patch: Mapping[str, Any], recipient: Recipient) -> Schedule:
    changes = {name: patch[name] for name in ("label", "payload", *OVERRIDES) if name in patch}
    if "payload" in patch:
        changes["payload"] = {} if patch["payload"] is None else _merged(have.payload, patch["payload"])
    if "messages" in patch:
        changes["messages"] = check_messages(have.event_type, patch["messages"])
    if "timezone" in patch:
        changes["follows_user"] = patch["timezone"] is None
        changes["timezone"] = patch["timezone"] or recipient.timezone
        changes["user_timezone"] = other_zone(changes["timezone"], recipient)
    if "priority" in patch or "urgent" in patch:
        urgent = bool(patch.get("urgent"))
        changes["priority"] = resolve_priority(have.event_type, patch.get("priority"), urgent=urgent)
    if rule := patch.get("rule"):
        parts = parts_of(have.pattern)
        if rule.get("kind", parts.kind) is not parts.kind:
            parts = PatternParts(rule["kind"], parts.start)
        pattern = pattern_of(replace(parts, **rule))
        if (
            "exdates" not in rule
            and isinstance(pattern, RecurringPattern)
            and isinstance(have.pattern, RecurringPattern)
        ):
            pattern = replace(pattern, exdates=retimed_exdates(have.pattern, pattern))
        changes["pattern"] = pattern
    return replace(have, **changes)


def check_exceptions(want: Schedule, have: Schedule, now: datetime) -> None:
    """Refuse an edit of a rule after which an exception that is to come leaves nothing out.

    One that had no effect before, was not sent now, has passed, or lies behind the end of the rule does no harm.

    Raises InvalidRuleError.
    """
    new, old = want.pattern, have.pattern
    if new == old or not isinstance(new, RecurringPattern):
        return
    since = now.astimezone(zone(want.timezone)).replace(tzinfo=None)
    unmatched = unmatched_exdate(new, since)
    if unmatched is None:
        return
    if isinstance(old, RecurringPattern) and unmatched in old.exdates and unmatched == unmatched_exdate(old, since):
        return
    raise InvalidRuleError(
        f"{unmatched.isoformat()} is no time of the rule any more, so that the exception would leave nothing out:"
        " send the exceptions as they should be",
        "exdates",
    )


def _merged(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396 §2)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def check(rules: Rulebook, schedule: Schedule) -> None:
    """Raises what a schedule that cannot be kept is refused with."""
    rule_of(rules, schedule)
    if schedule.leap_day is not None and not isinstance(schedule.pattern, YearlyPattern):
        raise InvalidRuleError("goes with the kind YEARLY only: others leave out a date that does not exist", "leapDay")
    if schedule.message is not None:
        check_message(schedule.event_type, schedule.message)
    _check_business_days(schedule)
    lateness(rules[schedule.event_type], schedule.grace, schedule.expiry)


def _check_business_days(schedule: Schedule) -> None:
    days = schedule.business_days
    if days is None or days.adjust is Adjust.SKIP or not isinstance(schedule.pattern, RecurringPattern):
        return
    series = wall_series(schedule.pattern.start, schedule.pattern.rrule)
    if series.frequency == "HOURLY" or len(series.hours) > 1:
        raise InvalidRuleError(
            f"{days.adjust} needs a rule of at most one time a day: with more, adjust must be skip",
            "businessDays.adjust",
        )


def derived_error(schedule: Schedule, field: str) -> DerivedScheduleError:
    own = ", ".join(OVERRIDES.values())
    return DerivedScheduleError(
        f"user-service owns this {schedule.event_type} schedule: change the user {schedule.user_id} there; here only"
        f" its policies can be set ({own})",
        field,
    )


@contextmanager
def fields_named() -> Iterator[None]:
    """Names what a rule finds at fault by the field in which the client sent it."""
    try:
        yield
    except InvalidRuleError as error:
        if error.field in _FIELDS:
            raise InvalidRuleError(str(error), _FIELDS[error.field]) from None
        raise
