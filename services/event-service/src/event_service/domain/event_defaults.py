"""On which terms an event is asked for: its priority, its message, how late it may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from contracts.vocabulary import EventType, Priority, raise_priority
from event_service.domain.errors import ExpiryBeforeGraceError, InvalidTemplateError, PriorityTooLowError
from event_service.domain.strategies import STRATEGIES
from event_service.domain.templates import check_template, checked_translations
from event_service.domain.type_rules import TypeRules


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late an event may be fired, and how late delivered."""

    grace: timedelta
    expiry: timedelta


def lateness(rules: TypeRules, grace: timedelta | None, expiry: timedelta | None) -> Lateness:
    """Raises ExpiryBeforeGraceError."""
    allowed = grace or rules.grace
    if expiry is not None and expiry < allowed:
        raise ExpiryBeforeGraceError(f"must be at least graceSeconds ({int(allowed.total_seconds())})")
    return Lateness(allowed, max(expiry or rules.expiry or allowed, allowed))


def resolve_priority(event_type: str, requested: int | None, *, urgent: bool = False) -> Priority:
    """Raises PriorityTooLowError."""
    type = EventType(event_type)
    floor = raise_priority(type)
    if requested is not None and requested > floor:
        lower = Priority(requested).name
        raise PriorityTooLowError(
            f"{type} is {floor.name} or more urgent: a request may raise the priority, not lower it to {lower}"
        )
    return raise_priority(type, None if requested is None else Priority(requested), important=urgent)


def check_messages(event_type: str, messages: Mapping[str, str]) -> dict[str, str]:
    """Return translations with their locales as they are written. Raises InvalidTemplateError."""
    try:
        return checked_translations(messages, STRATEGIES[event_type].placeholders)
    except ValueError as error:
        raise InvalidTemplateError(str(error), "messages") from None


def check_message(event_type: str, message: str) -> None:
    """Raises InvalidTemplateError."""
    try:
        check_template(message, STRATEGIES[event_type].placeholders)
    except ValueError as error:
        raise InvalidTemplateError(str(error)) from None
