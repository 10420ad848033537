"""A rule as calendars write it, with the lines DTSTART, RRULE, EXDATE and RDATE (RFC 5545 §3.8), taken apart."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chassis.core.zones import is_zone, zone
from event_service.domain.errors import InvalidRuleError

_FOLDED = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(DTSTART|RRULE|EXDATE|RDATE)((?:;[A-Z-]+=[^:;]*)*):(.+)", re.IGNORECASE)
_VALUE = re.compile(r"[0-9]{8}T[0-9]{6}Z?")


@dataclass(frozen=True, slots=True)
class RecurrenceLines:
    """What the lines say. None: they do not. Times are local to ``zone``."""

    rrule: str | None = None
    start: datetime | None = None
    zone: str | None = None
    exdates: tuple[datetime, ...] = ()
    rdates: tuple[datetime, ...] = ()


def take_apart(text: str) -> RecurrenceLines:
    """Read a rule. Text without such lines is an RRULE as it is.

    Raises InvalidRuleError: it names the line and its rule.
    """
    unfolded = _FOLDED.sub("", text.strip())
    lines = [line.strip() for line in unfolded.splitlines() if line.strip()]
    if len(lines) == 1 and not re.match(r"(DTSTART|EXDATE|RDATE)[;:]", lines[0], re.IGNORECASE):
        return RecurrenceLines(rrule=text)
    rules: list[str] = []
    times: dict[str, list[tuple[str, str | None]]] = {"DTSTART": [], "EXDATE": [], "RDATE": []}
    for line in lines:
        if not (found := _LINE.fullmatch(line)):
            raise _refused(f"{line[:80]!r} is not a line like DTSTART;TZID=Europe/Berlin:20270104T090000")
        name, value = found[1].upper(), found[3]
        if name == "RRULE":
            rules.append(value)
        else:
            times[name] += [(each, _zone_of(name, found[2])) for each in value.split(",")]
    if len(rules) != 1 or len(times["DTSTART"]) > 1:
        raise _refused("the lines must have one RRULE and at most one DTSTART")
    there: str | None = None
    start: datetime | None = None
    for value, named in times["DTSTART"]:
        there = _named("DTSTART", value, named)
        start = _local("DTSTART", value, None if there is None else zone(there))
    exdates, rdates = (
        tuple(_other(name, value, named, there) for value, named in times[name]) for name in ("EXDATE", "RDATE")
    )
    return RecurrenceLines(rules[0], start, there, exdates, rdates)


def _zone_of(name: str, parameters: str) -> str | None:
    given = dict(each.split("=", 1) for each in parameters.split(";") if each)
    given = {key.upper(): value.strip('"') for key, value in given.items()}
    if (kind := given.get("VALUE", "DATE-TIME").upper()) != "DATE-TIME":
        raise _refused(f"{name};VALUE={kind}: a time of day is needed, like 20270104T090000")
    there = given.get("TZID")
    if there is not None and not is_zone(there):
        raise _refused(f"{name};TZID={there}: not a zone of the IANA database, like Europe/Berlin")
    return there


def _named(name: str, value: str, named: str | None) -> str | None:
    if value.upper().endswith("Z"):
        if named is not None:
            raise _refused(f"{name};TZID={named}:{value}: a time with Z is in UTC and has no TZID")
        return "UTC"
    return named


def _other(name: str, value: str, named: str | None, there: str | None) -> datetime:
    if value.upper().endswith("Z"):
        if there is None:
            raise _refused(f"{name}:{value}: a time in UTC needs a DTSTART with a TZID")
        return _local(name, value, zone(there))
    if named is not None and named != there:
        raise _refused(f"{name};TZID={named}: must be the zone of DTSTART, {there or 'which has none'}")
    return _local(name, value, None)


def _local(name: str, value: str, there: ZoneInfo | None) -> datetime:
    if not _VALUE.fullmatch(value.upper()):
        raise _refused(f"{name}:{value[:40]}: must be a time like 20270104T090000")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise _refused(f"{name}:{value}: no such time: {error}") from None
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(there or UTC).replace(tzinfo=None)


def _refused(detail: str) -> InvalidRuleError:
    return InvalidRuleError(detail, "rrule")
