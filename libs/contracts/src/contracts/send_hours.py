"""A send window on the wire: spans of days and local times, and for a due event the zone in which they are judged."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from contracts.send_window import MOST_SPANS, WEEKDAYS, SendWindow, Span
from contracts.wire import LocalTime, Text, WireModel

Weekday = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


class SendHours(WireModel):
    """From a local time to before another on some days of the week; over midnight where ``until`` is not later."""

    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    from_: Annotated[LocalTime, Field(alias="from")]
    until: LocalTime


Hours = Annotated[list[SendHours], Field(min_length=1, max_length=MOST_SPANS)]


class DueWindow(WireModel):
    """When retries may reach the person: the window, judged by the clocks of ``timezone``."""

    timezone: Text
    hours: Hours


def window_of(hours: Sequence[SendHours]) -> SendWindow:
    """Return the window that ``hours`` say."""
    return SendWindow(tuple(Span(frozenset(map(WEEKDAYS.index, each.days)), each.from_, each.until) for each in hours))


def hours_of(window: SendWindow) -> list[SendHours]:
    """Return ``window`` as it is written."""
    return [SendHours.model_validate(each, strict=False) for each in window.dump()]
