"""A row of the old database as a line of an import."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from almanac_cli.migrate.mapping import EventsTable, UsersTable
from almanac_cli.migrate.source import Row
from contracts.vocabulary import EventType
from contracts.webhook import RESERVED_KEYS, WITHHELD_KEYS

TAKEN = RESERVED_KEYS | WITHHELD_KEYS | {"message"}
"""Keys of a payload that Almanac sets itself."""
ANNIVERSARY = "anniversary:"


class LineError(ValueError):
    """A row that cannot be a line: the message says why, and names no value."""


def user_line(row: Row, table: UsersTable) -> dict[str, Any]:
    """A user. Raises LineError."""
    line: dict[str, Any] = {
        "externalId": _text(row, "external_id"),
        "firstName": _text(row, "first_name"),
        "lastName": _text(row, "last_name"),
        "dateOfBirth": _day(row["date_of_birth"], "date_of_birth"),
        "timezone": _text(row, "timezone"),
    }
    for name, field in (("email", "email"), ("phone", "phone")):
        if row.get(name):
            line[field] = str(row[name])
    if tags := row.get("tags"):
        line["tags"] = tags.split(",") if isinstance(tags, str) else [str(each) for each in tags]
    if (at := row.get("delivery_time")) is not None:
        line["deliveryTime"] = f"{at:%H:%M:%S}" if isinstance(at, time) else str(at)
    days = {label: row[f"{ANNIVERSARY}{label}"] for label in table.anniversaries}
    if days:
        line["anniversaries"] = [
            {"label": label, "date": _day(day, label)} for label, day in days.items() if day is not None
        ]
    return line


def event_line(row: Row, table: EventsTable) -> dict[str, Any]:
    """A waiting event that is to be one of Almanac's one-offs. Raises LineError."""
    type = table.types.get(str(row["type"]), "NOTIFICATION")
    payload = _payload(row)
    message = payload.get(table.message_key)
    line = {
        "externalKey": _text(row, "key"),
        "userExternalId": _text(row, "user"),
        "eventType": type,
        "at": _instant(row["target"], "target"),
        "payload": {key: value for key, value in payload.items() if key not in TAKEN},
    }
    if isinstance(message, str) and message:
        # What the old system wrote is text, not a template.
        line["message"] = message.replace("{", "{{").replace("}", "}}")
    elif type == "REMINDER":
        line["label"] = str(payload.get("label") or row["type"]).strip()[:200]
    if row.get("idempotency_key"):
        line["idempotencyKey"] = str(row["idempotency_key"])
    return line


def history_line(row: Row, table: EventsTable) -> dict[str, Any]:
    """An event that has ended. Raises LineError."""
    old, status = str(row["type"]), str(row["status"])
    line = {
        "externalKey": _text(row, "key"),
        "userExternalId": _text(row, "user"),
        "eventType": old if old in set(EventType) else "NOTIFICATION",
        "status": "COMPLETED" if status in table.completed else "FAILED",
        "targetTimestampUTC": _instant(row["target"], "target"),
        "payload": _payload(row),
    }
    if row.get("finished_at") is not None:
        line["finishedAt"] = _instant(row["finished_at"], "finished_at")
    if status in table.failed and row.get("reason"):
        line["reason"] = " ".join(str(row["reason"]).split())[:500]
    if row.get("idempotency_key"):
        line["idempotencyKey"] = str(row["idempotency_key"])
    return line


def schedule_line(row: Row) -> dict[str, Any]:
    """A recurring reminder, or one that comes once where it has no rule. Raises LineError."""
    start = row["start_local"]
    if not isinstance(start, datetime):
        raise LineError("start_local is not a timestamp")
    rule = {"kind": "ONCE", "startLocal": f"{start:%Y-%m-%dT%H:%M:%S}"}
    if row.get("rrule"):
        rule |= {"kind": "RRULE", "rrule": str(row["rrule"]).removeprefix("RRULE:")}
    line = {
        "externalKey": _text(row, "key"),
        "userExternalId": _text(row, "user"),
        "label": _text(row, "label"),
        "rule": rule,
        "payload": {key: value for key, value in _payload(row).items() if key not in TAKEN},
    }
    for name in ("timezone", "message"):
        if row.get(name):
            line[name] = str(row[name])
    return line


def encode(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"


def instant_of(value: object) -> datetime:
    """A stored instant in UTC; one without a zone is UTC already. Raises LineError."""
    if not isinstance(value, datetime):
        raise LineError("target is not a timestamp")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _instant(value: object, name: str) -> str:
    if not isinstance(value, datetime):
        raise LineError(f"{name} is not a timestamp")
    return instant_of(value).isoformat().replace("+00:00", "Z")


def _day(value: object, name: str) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value.strip()[:10]
    raise LineError(f"{name} is not a date")


def _text(row: Row, name: str) -> str:
    value = row[name]
    if value is None or not str(value).strip():
        raise LineError(f"{name} is empty")
    return str(value)


def _payload(row: Row) -> dict[str, Any]:
    value = row.get("payload")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise LineError("payload is not JSON") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {"payload": value}
    return value
