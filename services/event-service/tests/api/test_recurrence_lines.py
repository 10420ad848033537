"""Rules as calendars write them, with DTSTART, EXDATE and RDATE, taken apart into the fields of a schedule."""

from typing import Any

import pytest
from reminders import Reminders

LINES = (
    "DTSTART;TZID=Europe/Berlin:20261005T090000\nRRULE:FREQ=WEEKLY\n"
    "EXDATE;TZID=Europe/Berlin:20261012T090000\nRDATE:20261014T070000Z,20261020T180000"
)


async def _walls(reminders: Reminders, schedule: dict[str, Any], count: int) -> list[str]:
    return [each["wall"] for each in await reminders.upcoming(schedule, count)]


async def test_lines_of_a_calendar_become_the_fields_of_a_schedule(reminders: Reminders) -> None:
    schedule = await reminders.create(rule={"kind": "RRULE", "rrule": LINES})
    assert schedule["rule"] == {
        "kind": "RRULE",
        "startLocal": "2026-10-05T09:00:00",
        "rrule": "FREQ=WEEKLY",
        "exdates": ["2026-10-12T09:00:00"],
        "rdates": ["2026-10-14T09:00:00", "2026-10-20T18:00:00"],
    }
    assert (schedule["timezone"], schedule["followsUser"]) == ("Europe/Berlin", False)
    assert await _walls(reminders, schedule, 4) == [
        "2026-10-05T09:00:00", "2026-10-14T09:00:00", "2026-10-19T09:00:00", "2026-10-20T18:00:00",
    ]  # fmt: skip


async def test_a_start_in_utc_and_folded_lines_are_understood(reminders: Reminders) -> None:
    folded = "DTSTART:20261005T090000Z\r\nRRULE:FREQ=DAILY;\r\n COUNT=2\r\n"
    schedule = await reminders.create(rule={"kind": "RRULE", "rrule": folded})
    assert (schedule["timezone"], schedule["rule"]["rrule"]) == ("UTC", "FREQ=DAILY;COUNT=2")


async def test_a_patch_takes_lines_apart_as_well(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    changed = await reminders.change(
        schedule, rule={"rrule": LINES.split("\nEXDATE")[0].replace("20261005", "20261006")}
    )
    assert changed["rule"]["startLocal"] == "2026-10-06T09:00:00"
    assert changed["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("rrule", "more", "said"),
    [
        (LINES, {"startLocal": "2026-10-06T09:00"}, "startLocal: 2026-10-06T09:00:00 is not the DTSTART"),
        ("FREQ=DAILY", {}, "startLocal: required"),
        ("DTSTART;TZID=Mars/Olympus:20261005T090000\nRRULE:FREQ=DAILY", {}, "not a zone"),
        ("DTSTART;VALUE=DATE:20261005\nRRULE:FREQ=DAILY", {}, "a time of day is needed"),
        ("DTSTART:20261005T090000\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", {}, "one RRULE"),
        ("DTSTART;TZID=Europe/Berlin:20261005T090000\nRRULE:FREQ=DAILY\nEXDATE;TZID=Asia/Tokyo:20261005T090000",
         {}, "must be the zone of DTSTART"),
        ("DTSTART:20261305T090000\nRRULE:FREQ=DAILY", {}, "no such time"),
        ("SUMMARY:Pills\nRRULE:FREQ=DAILY", {}, "is not a line like"),
    ],
)  # fmt: skip
async def test_lines_that_conflict_or_cannot_be_read_are_refused_by_name(
    reminders: Reminders, rrule: str, more: dict[str, str], said: str
) -> None:
    answer = await reminders.post(rule={"kind": "RRULE", "rrule": rrule, **more})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"].startswith("rule")
    assert said in error["detail"]


async def test_a_zone_beside_another_one_in_the_lines_is_refused(reminders: Reminders) -> None:
    answer = await reminders.post(rule={"kind": "RRULE", "rrule": LINES}, timezone="Asia/Tokyo")
    assert answer.status_code == 422
    assert "timezone: Asia/Tokyo is not the zone" in answer.text


async def test_additional_times_come_beside_the_rule_and_may_make_it_denser_than_daily(reminders: Reminders) -> None:
    rule = {
        "kind": "RRULE", "startLocal": "2026-10-05T09:00", "rrule": "FREQ=DAILY;COUNT=2",
        "rdates": ["2026-10-09T12:00", "2026-10-05T18:00", "2026-10-06T09:00"],
    }  # fmt: skip
    schedule = await reminders.create(rule=rule)
    assert await _walls(reminders, schedule, 9) == [
        "2026-10-05T09:00:00", "2026-10-05T18:00:00", "2026-10-06T09:00:00", "2026-10-09T12:00:00",
    ]  # fmt: skip
    refused = await reminders.patch(schedule, rule={"kind": "ONCE", "rdates": ["2026-10-09T12:00"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "rule.rdates")
