"""What keeps to working days moves with the public holidays, from one release of their data to another."""

from datetime import UTC, date, datetime
from typing import Any

from event_scenario import Scenario
from holiday_releases import HolidayReleases
from reminders import Reminders
from sqlalchemy import Row

from event_service.application.calendar_changes import HOLIDAYS_CHANGED, CalendarWatch, recompute

MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
WORKING = {"country": "US"}


def _watch(scenario: Scenario) -> CalendarWatch:
    return CalendarWatch(scenario.runtime.database, scenario.runtime.outbox, scenario.rules)


async def _records(scenario: Scenario) -> list[Row[Any]]:
    return await scenario.rows("SELECT * FROM calendar_recomputes ORDER BY id")


async def test_new_holiday_moves_pending_events_and_is_reported_once(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    scenario = reminders.scenario
    holiday_releases.install("0.9")
    schedule = await reminders.create(rrule="FREQ=WEEKLY", businessDays=WORKING)
    [before] = await reminders.events(schedule)
    await _watch(scenario).step()
    assert await _records(scenario) == []
    await scenario.announced()

    holiday_releases.install("0.10", MONDAY)
    watch = _watch(scenario)
    await watch.step()
    [after] = await reminders.events(schedule)
    assert (after.id, after.target_timestamp_utc) == (before.id, datetime(2026, 10, 6, 13, tzinfo=UTC))
    [(type, item)] = await scenario.announced()
    assert (type, item["eventId"], item["reason"]) == ("EventRescheduled", str(before.id), HOLIDAYS_CHANGED)
    assert (await reminders.get(schedule))["nextAt"] == "2026-10-06T13:00:00Z"
    [record] = await _records(scenario)
    assert (record.release, record.examined, record.moved, record.replaced) == ("0.10", 1, 1, 0)
    assert record.finished_at is not None
    move = {"eventId": str(before.id), "before": "2026-10-05T13:00:00Z", "after": "2026-10-06T13:00:00Z"}
    assert record.calendars == {
        "US": {
            "examined": 1, "moved": 1, "replaced": 0, "leastSeconds": 86400, "greatestSeconds": 86400,
            "examples": [move],
        }
    }  # fmt: skip
    await watch.step()
    assert len(await _records(scenario)) == 1


async def test_dry_run_reports_what_would_move_and_changes_nothing(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    scenario, runtime = reminders.scenario, reminders.scenario.runtime
    holiday_releases.install("0.9")
    schedule = await reminders.create(rrule="FREQ=WEEKLY", businessDays=WORKING)
    [before] = await reminders.events(schedule)
    await _watch(scenario).step()
    holiday_releases.install("0.10", MONDAY)
    report = await recompute(runtime.database, runtime.outbox, scenario.rules, dry_run=True)
    assert {name: (each.examined, each.moved) for name, each in report.items()} == {"US": (1, 1)}
    assert await reminders.events(schedule) == [before]
    assert await _records(scenario) == []


async def test_day_that_is_no_holiday_any_more_gets_its_occurrence_back(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    holiday_releases.install("0.9", MONDAY)
    schedule = await reminders.create(start="2026-10-03T09:00", rrule="FREQ=DAILY", businessDays=WORKING)
    assert schedule["nextAt"] == "2026-10-06T13:00:00Z"
    await _watch(reminders.scenario).step()
    holiday_releases.install("0.10")
    await _watch(reminders.scenario).step()
    [event] = await reminders.events(schedule)
    assert (event.occurrence, event.target_timestamp_utc) == (
        "2026-10-05T09:00:00",
        datetime(2026, 10, 5, 13, tzinfo=UTC),
    )
    upcoming = [each["targetTimestampUTC"][:10] for each in await reminders.upcoming(schedule, 2)]
    assert upcoming == ["2026-10-05", "2026-10-06"]
    [record] = await _records(reminders.scenario)
    assert (record.moved, record.replaced) == (0, 1)


async def test_occurrence_on_a_new_skipped_holiday_is_replaced_by_the_next(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    holiday_releases.install("0.9")
    schedule = await reminders.create(rrule="FREQ=DAILY", businessDays={**WORKING, "adjust": "skip"})
    await _watch(reminders.scenario).step()
    holiday_releases.install("0.10", MONDAY)
    await _watch(reminders.scenario).step()
    [event] = await reminders.events(schedule)
    assert event.occurrence == "2026-10-06T09:00:00"
    [record] = await _records(reminders.scenario)
    assert (record.moved, record.replaced) == (0, 1)


async def test_calendar_that_did_not_change_and_a_manual_time_stay(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    holiday_releases.install("0.9")
    german = await reminders.create(rrule="FREQ=WEEKLY", businessDays={"country": "DE"})
    moved = await reminders.create(rrule="FREQ=WEEKLY", businessDays=WORKING)
    to = {"at": "2026-10-05T18:00:00Z"}
    assert (await reminders.client.post(f"/v1/events/{moved['liveEventId']}/reschedule", json=to)).status_code == 200
    before = [*await reminders.events(german), *await reminders.events(moved)]
    await _watch(reminders.scenario).step()
    holiday_releases.install("0.10", MONDAY)
    await _watch(reminders.scenario).step()
    assert [*await reminders.events(german), *await reminders.events(moved)] == before
    [record] = await _records(reminders.scenario)
    assert record.examined == 0


async def test_process_with_an_older_release_moves_nothing(
    reminders: Reminders, holiday_releases: HolidayReleases
) -> None:
    """Releases are compared by their numbers: 0.10 is newer than 0.9."""
    holiday_releases.install("0.10", MONDAY)
    schedule = await reminders.create(rrule="FREQ=WEEKLY", businessDays=WORKING)
    before = await reminders.events(schedule)
    await _watch(reminders.scenario).step()
    holiday_releases.install("0.9")
    await _watch(reminders.scenario).step()
    assert await reminders.events(schedule) == before
    assert await _records(reminders.scenario) == []


async def test_batches_add_up_in_one_record(reminders: Reminders, holiday_releases: HolidayReleases) -> None:
    scenario, runtime = reminders.scenario, reminders.scenario.runtime
    holiday_releases.install("0.9")
    for hour in (9, 10, 11):
        await reminders.create(start=f"2026-10-05T{hour:02}:00", rrule="FREQ=WEEKLY", businessDays=WORKING)
    await _watch(scenario).step()
    holiday_releases.install("0.10", MONDAY)
    report = await recompute(runtime.database, runtime.outbox, scenario.rules, batch=2)
    assert (report["US"].examined, report["US"].moved, len(report["US"].examples)) == (3, 3, 3)
    [record] = await _records(scenario)
    assert (record.examined, record.moved) == (3, 3)
