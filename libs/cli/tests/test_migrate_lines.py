"""Rows of an old database as lines of imports, and the mapping that says which column holds what."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from almanac_cli.migrate.lines import LineError, event_line, history_line, schedule_line, user_line
from almanac_cli.migrate.mapping import EventsTable, MappingError, OldSystem, UsersTable

USER = {
    "external_id": 42,
    "first_name": "Ada",
    "last_name": "Lovelace",
    "date_of_birth": date(1990, 12, 10),
    "timezone": "Europe/London",
}
EVENT = {
    "key": "e-1",
    "user": 42,
    "type": "NOTIFICATION",
    "status": "PENDING",
    "target": datetime(2027, 3, 1, 9, tzinfo=UTC),
    "idempotency_key": "old-1",
    "payload": '{"message": "Hey {name}", "userId": "42", "colour": "red"}',
}


def event(**changes: Any) -> dict[str, Any]:
    return EVENT | changes


def test_user_has_the_old_id_as_external_id() -> None:
    assert user_line(USER, UsersTable()) == {
        "externalId": "42",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "dateOfBirth": "1990-12-10",
        "timezone": "Europe/London",
    }


def test_optional_columns_of_a_user_go_along() -> None:
    table = UsersTable(anniversaries={"Wedding": "wedding_date", "Job": "hired"})
    row = USER | {
        "email": "ada@example.org",
        "tags": ["vip"],
        "delivery_time": time(8, 30),
        "anniversary:Wedding": datetime(2015, 6, 1, tzinfo=UTC),
        "anniversary:Job": None,
    }
    line = user_line(row, table)
    assert (line["email"], line["tags"], line["deliveryTime"]) == ("ada@example.org", ["vip"], "08:30:00")
    assert line["anniversaries"] == [{"label": "Wedding", "date": "2015-06-01"}]


def test_user_without_a_name_is_left_out_with_the_reason() -> None:
    with pytest.raises(LineError, match="first_name is empty"):
        user_line(USER | {"first_name": " "}, UsersTable())


def test_event_keeps_its_key_and_payload_and_its_message_is_no_template() -> None:
    assert event_line(event(), EventsTable()) == {
        "externalKey": "e-1",
        "userExternalId": "42",
        "eventType": "NOTIFICATION",
        "at": "2027-03-01T09:00:00Z",
        "payload": {"colour": "red"},
        "message": "Hey {{name}}",
        "idempotencyKey": "old-1",
    }


@pytest.mark.parametrize(
    ("old", "becomes"), [("ANNIVERSARY", "REMINDER"), ("REMINDER", "REMINDER"), ("PROMO", "NOTIFICATION")]
)
def test_old_type_becomes_one_of_almanacs(old: str, becomes: str) -> None:
    assert event_line(event(type=old), EventsTable())["eventType"] == becomes


def test_reminder_without_a_message_has_a_label() -> None:
    line = event_line(event(type="REMINDER", payload={"label": "Pills"}), EventsTable())
    assert (line["label"], "message" in line) == ("Pills", False)


def test_timestamp_without_a_zone_is_utc() -> None:
    naive = datetime(2027, 3, 1, 9)  # noqa: DTZ001  as a column `timestamp` has it
    assert event_line(event(target=naive), EventsTable())["at"] == "2027-03-01T09:00:00Z"


def test_history_has_its_outcome() -> None:
    done = datetime(2027, 3, 1, 9, 1, tzinfo=UTC)
    line = history_line(event(type="BIRTHDAY", status="FAILED", finished_at=done, reason="no\nanswer"), EventsTable())
    assert (line["eventType"], line["status"], line["reason"]) == ("BIRTHDAY", "FAILED", "no answer")
    assert (line["targetTimestampUTC"], line["finishedAt"]) == ("2027-03-01T09:00:00Z", "2027-03-01T09:01:00Z")


def test_schedule_has_its_rule() -> None:
    start = datetime(2027, 1, 4, 9)  # noqa: DTZ001  a local time
    row = {"key": 1, "user": 42, "label": "Pills", "start_local": start, "rrule": "RRULE:FREQ=WEEKLY"}
    assert schedule_line(row)["rule"] == {"kind": "RRULE", "startLocal": "2027-01-04T09:00:00", "rrule": "FREQ=WEEKLY"}
    assert schedule_line(row | {"rrule": None})["rule"]["kind"] == "ONCE"


def test_mapping_file_replaces_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text('[users]\ntable = "people"\n[events.types]\nPROMO = "skip"\n')
    system = OldSystem.read(file)
    assert (system.users.table, system.users.first_name) == ("people", "first_name")
    assert system.events.types == {"PROMO": "skip"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[users]\ncolour = 1\n", "users.colour"),
        ('[events]\nwaiting = ["A"]\nfailed = ["A"]\n', "status A is named twice"),
        ('[events.types]\nA = "BIRTHDAY"\n', "events.types.A"),
        ("[users", "mapping.toml"),
    ],
    ids=["unknown", "twice", "type", "syntax"],
)
def test_invalid_mapping_file_is_refused_with_its_error(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    with pytest.raises(MappingError, match=named):
        OldSystem.read(file)
