"""Patterns as JSON: the column ``schedules.rule``."""

from datetime import datetime, time
from typing import Any

from event_service.domain.patterns import OncePattern, Pattern, RecurringPattern, YearlyPattern


def dump(pattern: Pattern) -> dict[str, Any]:
    match pattern:
        case YearlyPattern():
            days = {"month": pattern.month, "day": pattern.day}
            return {"kind": "YEARLY", **days, "since": pattern.since, "first": pattern.first}
        case OncePattern():
            return {"kind": "ONCE", "at": pattern.at.isoformat()}
        case RecurringPattern():
            rule = {
                "kind": "RRULE",
                "start": pattern.start.isoformat(),
                "rrule": pattern.rrule,
                "exdates": [each.isoformat() for each in pattern.exdates],
            }
            if pattern.rdates:
                rule["rdates"] = [each.isoformat() for each in pattern.rdates]
            return rule


def load(rule: dict[str, Any], local_time: time) -> Pattern:
    """``local_time`` is a column of its own; yearly patterns have it from there alone."""
    match rule["kind"]:
        case "YEARLY":
            return YearlyPattern(rule["month"], rule["day"], local_time, rule["since"], rule["first"])
        case "ONCE":
            return OncePattern(datetime.fromisoformat(rule["at"]))
        case "RRULE":
            exdates = tuple(datetime.fromisoformat(each) for each in rule["exdates"])
            rdates = tuple(datetime.fromisoformat(each) for each in rule.get("rdates", ()))
            return RecurringPattern(datetime.fromisoformat(rule["start"]), rule["rrule"], exdates, rdates)
        case kind:
            raise ValueError(f"no kind of rule is called {kind!r}")
