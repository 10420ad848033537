"""A calendar that a release of holidays no longer has: its schedules keep its last known days."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from event_scenario import Scenario
from holiday_releases import HolidayReleases
from icalendar import Calendar
from reminders import Reminders

from contracts.vocabulary import Priority
from event_service.application import calendar_changes
from event_service.application.calendar_changes import CalendarWatch
from event_service.application.calendar_days import dropped

BAVARIA = {"country": "DE", "subdivision": "BY", "adjust": "skip"}
# Christmas is a Friday, and so is New Year's Day; Epiphany, a Wednesday, is a holiday in Bavaria.
WORKING_DAYS = [
    "2026-12-24",
    "2026-12-28",
    "2026-12-29",
    "2026-12-30",
    "2026-12-31",
    "2027-01-04",
    "2027-01-05",
    "2027-01-07",
]
WEEKDAYS = ["2026-12-24", "2026-12-25", "2026-12-28"]

whole_or_part = pytest.mark.parametrize("without", ["DE", "DE-BY"], ids=["country", "subdivision"])


async def _daily(reminders: Reminders, **fields: Any) -> dict[str, Any]:
    return await reminders.create(start="2026-12-24T09:00", rrule="FREQ=DAILY", **{"businessDays": BAVARIA, **fields})


async def _days(reminders: Reminders, schedule: dict[str, Any], count: int) -> list[str]:
    return [each["targetTimestampLocal"][:10] for each in await reminders.upcoming(schedule, count)]


async def _watch(scenario: Scenario) -> int:
    """Let maintenance look for a new release. Returns the metric of dropped calendars."""
    await CalendarWatch(scenario.runtime.database, scenario.runtime.outbox, scenario.rules).step()
    [observed] = calendar_changes._observe_dropped(None)  # type: ignore[arg-type]
    return int(observed.value)


@whole_or_part
async def test_reads_of_schedules_in_a_dropped_calendar_stay_as_they_were(
    reminders: Reminders, holiday_releases: HolidayReleases, without: str
) -> None:
    client = reminders.client
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    feed = (await client.post("/v1/calendar-feeds", json={"name": "Mine", "userId": str(reminders.user_id)})).json()
    lists = "/v1/schedules", f"/v1/schedules?userId={reminders.user_id}", "/v1/forecast?days=30"

    async def seen() -> list[Any]:
        feeds = Calendar.from_ical((await client.get(feed["url"])).content)
        answers = [await client.get(each) for each in lists]
        assert [each.status_code for each in answers] == [200, 200, 200]
        return [
            await reminders.get(schedule),
            await reminders.upcoming(schedule, 8),
            [each.DTSTART for each in feeds.events],
            *(each.json() for each in answers),
        ]

    before = await seen()
    assert await _days(reminders, schedule, 8) == WORKING_DAYS
    holiday_releases.install("0.10", without=without)
    assert await seen() == before


@whole_or_part
async def test_series_in_a_dropped_calendar_follows_its_user_and_fires(
    reminders: Reminders, holiday_releases: HolidayReleases, without: str
) -> None:
    scenario = reminders.scenario
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    other = await reminders.create(start="2026-12-24T09:00", rrule="FREQ=DAILY")
    holiday_releases.install("0.10", without=without)
    await scenario.receive(scenario.user(reminders.user_id, 2, first_name="Augusta"))
    [event] = await reminders.events(schedule)
    assert event.payload["message"] == "Augusta: Pills"
    await scenario.at("2026-12-24T14:00Z")
    assert await scenario.fire(Priority.NORMAL) == 2
    await scenario.answer(*map(scenario.outcome, scenario.bus.published))
    assert await reminders.statuses(schedule) == await reminders.statuses(other) == ["COMPLETED", "PENDING"]
    following = (await reminders.events(schedule))[1]
    assert following.target_timestamp_utc == datetime(2026, 12, 28, 14, tzinfo=UTC)


@whole_or_part
async def test_edit_of_a_schedule_in_a_dropped_calendar_is_planned_by_its_last_known_days(
    reminders: Reminders, holiday_releases: HolidayReleases, without: str
) -> None:
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    holiday_releases.install("0.10", without=without)
    assert (await reminders.change(schedule, label="Tablets"))["label"] == "Tablets"
    changed = await reminders.change(schedule, rule={"startLocal": "2026-12-25T10:00"})
    assert (changed["nextAt"], changed["businessDays"]) == ("2026-12-28T15:00:00Z", BAVARIA)
    assert (await reminders.do("pause", schedule))["nextAt"] is None
    assert (await reminders.do("resume", schedule))["nextAt"] == "2026-12-28T15:00:00Z"
    [event] = [each for each in await reminders.events(schedule) if each.status == "PENDING"]
    moved = await reminders.client.post(f"/v1/events/{event.id}/reschedule", json={"at": "2026-12-26T18:00:00Z"})
    assert moved.status_code == 200, moved.text
    assert (await reminders.change(schedule, businessDays=None))["businessDays"] is None


@whole_or_part
async def test_request_that_names_a_dropped_calendar_is_refused_by_field(
    reminders: Reminders, holiday_releases: HolidayReleases, without: str
) -> None:
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    holiday_releases.install("0.10", without=without)
    field = "businessDays.subdivision" if "-" in without else "businessDays.country"
    for answer in (
        await reminders.post(rrule="FREQ=DAILY", businessDays=BAVARIA),
        await reminders.patch(schedule, businessDays=BAVARIA | {"adjust": "next"}),
    ):
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await _days(reminders, schedule, 2) == WORKING_DAYS[:2]


async def test_imported_schedule_continues_after_its_calendar_is_dropped(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    scenario, client = reminders.scenario, reminders.client
    holiday_releases.install("0.9")
    await scenario.receive(scenario.user(reminders.user_id, 2, external_id="crm-1"))
    line = {
        "externalKey": "pills",
        "userExternalId": "crm-1",
        "label": "Pills",
        "rule": {"kind": "RRULE", "startLocal": "2026-12-24T09:00", "rrule": "FREQ=DAILY"},
        "businessDays": BAVARIA,
    }
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "pills"}
    job = (await client.post("/v1/imports/schedules", content=json.dumps(line) + "\n", headers=headers)).json()
    assert (job["created"], job["refused"]) == (1, 0)
    holiday_releases.install("0.10", without="DE")
    schedule = (await client.get("/v1/imports/schedules/pills")).json()
    assert await _days(reminders, schedule, 8) == WORKING_DAYS
    again = await client.post(
        "/v1/imports/schedules", content=json.dumps(line) + "\n", headers=headers | {"Idempotency-Key": "again"}
    )
    assert (again.json()["updated"], again.json()["refused"]) == (0, 1)
    [refused] = (await client.get(again.json()["errorsUrl"])).json()["items"]
    assert [each["field"] for each in refused["errors"]] == ["businessDays.country"]
    assert await _days(reminders, schedule, 8) == WORKING_DAYS


async def test_dropped_calendar_is_counted_until_no_schedule_keeps_to_it(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    scenario, database = reminders.scenario, reminders.scenario.runtime.database
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    await reminders.create(rrule="FREQ=WEEKLY", businessDays={"country": "US"})
    assert await _watch(scenario) == 0
    holiday_releases.install("0.10", without="DE-BY")
    assert await _watch(scenario) == 1
    assert await dropped(database) == [("DE", "BY")]
    assert await scenario.rows("SELECT * FROM calendar_recomputes") == []
    await reminders.change(schedule, businessDays=BAVARIA | {"subdivision": None})
    assert await _watch(scenario) == 0
    assert await dropped(database) == []


async def test_restored_calendar_with_other_days_moves_pending_events(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    scenario = reminders.scenario
    holiday_releases.install("0.9")
    schedule = await reminders.create(rrule="FREQ=WEEKLY", businessDays={"country": "US"})
    await _watch(scenario)
    holiday_releases.install("0.10", without="US")
    assert await _watch(scenario) == 1
    assert (await reminders.get(schedule))["nextAt"] == "2026-10-05T13:00:00Z"
    holiday_releases.install("0.11", date(2026, 10, 5))
    assert await _watch(scenario) == 0
    assert (await reminders.get(schedule))["nextAt"] == "2026-10-06T13:00:00Z"
    [record] = await scenario.rows("SELECT * FROM calendar_recomputes")
    assert (record.release, record.moved) == ("0.11", 1)


async def test_calendar_that_was_never_remembered_is_closed_at_weekends(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    await reminders.scenario.execute("DELETE FROM calendar_days")
    holiday_releases.install("0.10", without="DE")
    assert await _days(reminders, schedule, 3) == WEEKDAYS


async def test_days_of_a_release_from_before_they_were_kept_are_kept_by_maintenance(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    holiday_releases.install("0.9")
    schedule = await _daily(reminders)
    await reminders.scenario.execute("DELETE FROM calendar_days")
    await _watch(reminders.scenario)
    holiday_releases.install("0.10", without="DE")
    assert await _days(reminders, schedule, 8) == WORKING_DAYS
