"""Send windows in requests and replies: ``[{"days": ["MO", "TU"], "from": "08:00", "until": "20:00"}]``."""

import re
from collections.abc import Sequence
from datetime import time
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from chassis.api.wire import RequestModel, WireModel
from contracts.send_hours import Weekday
from contracts.send_window import MOST_SPANS, WEEKDAYS, SendWindow, Span

_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def _wall_time(value: Any) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a local time as HH:MM or HH:MM:SS")
    try:
        return time.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from None


def _once(days: list[Weekday]) -> list[Weekday]:
    if len(set(days)) < len(days):
        raise ValueError("a day is given twice")
    return days


WallTime = Annotated[
    time,
    BeforeValidator(_wall_time),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]
Days = Annotated[
    list[Weekday],
    Field(min_length=1, max_length=7, json_schema_extra={"uniqueItems": True}, description="Days of the week."),
    AfterValidator(_once),
]


class HoursInput(RequestModel):
    """A span of local time on some days of the week. It continues past midnight where `until` is not after `from`."""

    days: Days
    from_: Annotated[WallTime, Field(alias="from", description="From this time on.", examples=["08:00"])]
    until: Annotated[WallTime, Field(description="Until before this time.", examples=["20:00"])]


SendWindowInput = Annotated[
    list[HoursInput],
    Field(
        min_length=1,
        max_length=MOST_SPANS,
        description="When a person may be reached, in the person's own zone. What comes at another time waits for the"
        " next opening inside its grace, or is MISSED. Null: no window.",
        examples=[[{"days": ["MO", "TU", "WE", "TH", "FR"], "from": "08:00", "until": "20:00"}]],
    ),
]


class HoursBody(WireModel):
    """A span of local time on some days of the week."""

    days: list[str]
    from_: str = Field(alias="from")
    until: str

    @classmethod
    def all_of(cls, window: SendWindow | None) -> list[Self] | None:
        """Return the spans of ``window`` as a reply shows them; None where there is none."""
        return None if window is None else [cls.model_validate(each) for each in window.dump()]


def window_of(hours: Sequence[HoursInput] | None) -> SendWindow | None:
    """Return the window that a request gives; None where it gives none."""
    if hours is None:
        return None
    return SendWindow(tuple(Span(frozenset(map(WEEKDAYS.index, each.days)), each.from_, each.until) for each in hours))
