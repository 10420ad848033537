"""Rules of schedules in requests and replies: when occurrences come, and on which days not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from chassis.api.wire import NOT_SENT, PatchModel, RequestModel, WireModel
from chassis.core.zones import current_name
from event_service.api.inputs import (
    LocalDateTime,
)
from event_service.domain.business_days import Adjust, BusinessDays
from event_service.domain.patterns import Kind, PatternParts
from event_service.domain.recurrence_lines import RecurrenceLines, take_apart

MAX_EXDATES = 500
MAX_LINES = 20_000

Start = Annotated[LocalDateTime, Field(description="The local time of the first occurrence: DTSTART.")]
RRule = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LINES,
        description="An RRULE of at most 500 characters, or the lines DTSTART, RRULE, EXDATE and RDATE of a calendar.",
        examples=["FREQ=WEEKLY;BYDAY=MO,FR;COUNT=10", "DTSTART;TZID=Europe/Berlin:20270104T090000\nRRULE:FREQ=DAILY"],
    ),
]
ExDates = Annotated[
    tuple[LocalDateTime, ...], Field(max_length=MAX_EXDATES, description="Local times that are left out.")
]
RDates = Annotated[tuple[LocalDateTime, ...], Field(max_length=MAX_EXDATES, description="Local times that come too.")]


class BusinessDaysInput(RequestModel):
    """Whose working days: what falls on another day is kept on the next one, the one before, or left out."""

    country: Annotated[str, Field(pattern="^[A-Z]{2,3}$", description="ISO 3166-1, like DE.", examples=["DE"])]
    subdivision: Annotated[
        str | None,
        Field(max_length=30, description="A part of it, ISO 3166-2 without the country.", examples=["BY"]),
    ] = None
    adjust: Adjust = Adjust.NEXT

    def business_days(self) -> BusinessDays:
        """Raises InvalidRuleError where this release of the holidays package does not have the calendar."""
        days = BusinessDays(self.country, self.subdivision, self.adjust)
        days.calendar.check()
        return days


class RuleInput(RequestModel):
    """When: once, by an RRULE (RFC 5545), or each year on the same day."""

    kind: Kind
    start_local: Annotated[Start | None, Field(description="Needed unless `rrule` has a line DTSTART.")] = None
    rrule: RRule | None = None
    exdates: ExDates = ()
    rdates: RDates = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.parts()
        return self

    @property
    def lines(self) -> RecurrenceLines:
        return RecurrenceLines() if self.rrule is None else take_apart(self.rrule)

    def parts(self) -> PatternParts:
        """Raises InvalidRuleError, which is a ValueError."""
        lines = self.lines
        start = _agreed_start(self.start_local, lines)
        if start is None:
            raise ValueError("startLocal: required, unless rrule has a line DTSTART")
        return PatternParts(
            self.kind, start, lines.rrule, (*self.exdates, *lines.exdates), (*self.rdates, *lines.rdates)
        )


def _agreed_start(start: datetime | None, lines: RecurrenceLines) -> datetime | None:
    if start is not None and lines.start is not None and start != lines.start:
        raise ValueError(f"startLocal: {start.isoformat()} is not the DTSTART of rrule, {lines.start.isoformat()}")
    return start or lines.start


def agreed_zone(name: str | None, lines: RecurrenceLines) -> str | None:
    if name is not None and lines.zone is not None and current_name(name) != current_name(lines.zone):
        raise ValueError(f"timezone: {name} is not the zone of the DTSTART of rrule, {lines.zone}")
    return name or lines.zone


class PatchRule(PatchModel):
    """Changes of a rule. With another kind, `rrule`, `exdates` and `rdates` are reset."""

    kind: Kind = NOT_SENT
    start_local: Start = NOT_SENT
    rrule: RRule | None = NOT_SENT
    exdates: ExDates | None = NOT_SENT
    rdates: RDates | None = NOT_SENT

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _agreed_start(self.changes().get("start_local"), self.lines)
        return self

    @property
    def lines(self) -> RecurrenceLines:
        rrule = self.changes().get("rrule")
        return RecurrenceLines() if rrule is None else take_apart(rrule)

    def parts(self) -> dict[str, Any]:
        sent = self.changes()
        if "start_local" in sent:
            sent["start"] = sent.pop("start_local")
        lines = self.lines
        if lines.rrule is not None:
            sent["rrule"] = lines.rrule
        if lines.start is not None:
            sent["start"] = lines.start
        if lines.exdates:
            sent["exdates"] = (*(sent.get("exdates") or ()), *lines.exdates)
        if lines.rdates:
            sent["rdates"] = (*(sent.get("rdates") or ()), *lines.rdates)
        for name in ("exdates", "rdates"):
            if name in sent:
                sent[name] = sent[name] or ()
        return sent


class RuleBody(WireModel):
    kind: Kind
    start_local: str
    rrule: str | None
    exdates: Sequence[str]
    rdates: Sequence[str]


class BusinessDaysBody(WireModel):
    country: str
    subdivision: str | None
    adjust: Adjust
