"""Edits and moves of a series: unchanged, next and late occurrences (ADR 0029)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from event_scenario import Scenario
from reminders import Reminders
from sqlalchemy import Row

from contracts.messages.spec import MessageType
from contracts.vocabulary import Priority
from event_service.application.firing import NotPublishedError
from event_service.application.outcomes import sweep_missed


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def _fire(reminders: Reminders, at: str | None = None) -> list[str]:
    """Fire all that is due and let it be delivered. Returns the targets, in the order of their publication."""
    scenario = reminders.scenario
    if at is not None:
        await scenario.at(at)
    fired: list[str] = []
    while count := await scenario.fire(Priority.NORMAL):
        sent = scenario.bus.published[-count:]
        fired += [event.target.isoformat().replace("+00:00", "Z") for event in sent]
        await scenario.answer(*(scenario.outcome(event) for event in sent))
    return fired


async def _bus_is_away(reminders: Reminders, event: Row[Any], at: str) -> None:
    """The event comes due, and the bus refuses it."""
    scenario = reminders.scenario
    await scenario.at(at)
    scenario.bus.refused = {event.id}
    with pytest.raises(NotPublishedError):
        await scenario.fire(Priority.NORMAL)
    scenario.bus.refused = set()


async def _sweep(scenario: Scenario) -> int:
    return await sweep_missed(scenario.runtime.database, scenario.runtime.outbox, scenario.rules, limit=100)


async def _waiting(reminders: Reminders, schedule: dict[str, Any]) -> list[str]:
    return [
        row.target_timestamp_utc.isoformat().replace("+00:00", "Z")
        for row in await reminders.events(schedule)
        if row.status == "PENDING"
    ]


async def _move(reminders: Reminders, event: Row[Any], at: str) -> dict[str, Any]:
    answer = await reminders.client.post(f"/v1/events/{event.id}/reschedule", json={"at": at})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _cancel(reminders: Reminders, event: Row[Any]) -> None:
    assert (await reminders.client.post(f"/v1/events/{event.id}/cancel")).status_code == 200


async def _user_moves(reminders: Reminders, timezone: str, version: int = 2) -> None:
    scenario = reminders.scenario
    await scenario.receive(
        scenario.user(reminders.user_id, version, timezone=timezone), type=MessageType.USER_TIMEZONE_CHANGED
    )


async def _last(reminders: Reminders, schedule: dict[str, Any]) -> Row[Any]:
    return (await reminders.events(schedule))[-1]


# -- the time of day is edited ----------------------------------------------------------------------------------------


async def test_a_new_minute_of_a_series_twice_a_day_makes_up_for_nothing_before_the_edit(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-11-30T07:00Z")
    schedule = await reminders.create(start="2026-11-30T08:00", rrule="FREQ=DAILY;BYHOUR=8,20", timezone="UTC")
    assert await _fire(reminders, "2026-11-30T08:00Z") == ["2026-11-30T08:00:00Z"]
    await reminders.scenario.at("2026-11-30T12:00Z")
    changed = await reminders.change(schedule, rule={"startLocal": "2026-11-30T08:30"})
    assert changed["nextAt"] == "2026-11-30T20:30:00Z"
    assert await _fire(reminders) == []
    assert await _fire(reminders, "2026-11-30T20:30Z") == ["2026-11-30T20:30:00Z"]


async def test_a_new_minute_of_an_hourly_series_begins_with_the_next_hour(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-02T12:30Z")
    schedule = await reminders.create(start="2026-10-02T00:00", rrule="FREQ=HOURLY", timezone="UTC")
    changed = await reminders.change(schedule, rule={"startLocal": "2026-10-02T00:05"})
    assert changed["nextAt"] == "2026-10-02T13:05:00Z"
    assert await _fire(reminders) == []


async def test_an_edit_while_an_event_is_being_published_makes_up_for_nothing_either(reminders: Reminders) -> None:
    scenario = reminders.scenario
    await scenario.at("2026-10-02T11:30Z")
    schedule = await reminders.create(start="2026-10-02T00:00", rrule="FREQ=HOURLY", timezone="UTC", catchUp="all")
    [due] = await reminders.events(schedule)
    await _bus_is_away(reminders, due, "2026-10-02T12:00Z")
    await scenario.at("2026-10-02T12:30Z")
    await reminders.change(schedule, rule={"startLocal": "2026-10-02T00:05"})
    assert await _fire(reminders) == ["2026-10-02T12:00:00Z"]
    assert await _waiting(reminders, schedule) == ["2026-10-02T13:05:00Z"]


async def test_a_cancelled_day_stays_cancelled_when_the_time_of_day_is_edited(reminders: Reminders) -> None:
    await reminders.scenario.at("2027-01-04T12:00Z")
    schedule = await reminders.create(start="2027-01-05T09:00", rrule="FREQ=DAILY", timezone="UTC")
    await _cancel(reminders, await _last(reminders, schedule))
    changed = await reminders.change(schedule, rule={"startLocal": "2027-01-05T09:30"})
    assert changed["nextAt"] == "2027-01-06T09:30:00Z"


async def test_an_excluded_day_stays_excluded_when_the_time_of_day_is_edited(reminders: Reminders) -> None:
    await reminders.scenario.at("2027-02-02T12:00Z")
    rule = {"kind": "RRULE", "startLocal": "2027-02-02T09:00", "rrule": "FREQ=DAILY", "exdates": ["2027-02-03T09:00"]}
    schedule = await reminders.create(rule=rule, timezone="UTC")
    changed = await reminders.change(schedule, rule={"startLocal": "2027-02-02T10:00"})
    assert changed["rule"]["exdates"] == ["2027-02-03T10:00:00"]
    assert changed["nextAt"] == "2027-02-04T10:00:00Z"


async def test_a_day_that_fired_early_does_not_come_again_when_the_time_of_day_is_edited(reminders: Reminders) -> None:
    await reminders.scenario.at("2027-01-04T08:00Z")
    schedule = await reminders.create(start="2027-01-04T09:00", rrule="FREQ=WEEKLY", timezone="UTC")
    assert await _fire(reminders, "2027-01-04T09:00Z") == ["2027-01-04T09:00:00Z"]
    await reminders.scenario.at("2027-01-04T12:00Z")
    await _move(reminders, await _last(reminders, schedule), "now")
    assert await _fire(reminders) == ["2027-01-04T12:00:00Z"]
    changed = await reminders.change(schedule, rule={"startLocal": "2027-01-04T10:00"})
    assert changed["nextAt"] == "2027-01-18T10:00:00Z"


@pytest.mark.parametrize(
    ("catch_up", "fired", "status"), [(None, True, "COMPLETED"), ("one", True, "COMPLETED"), ("none", False, "MISSED")]
)
async def test_a_time_of_day_that_has_passed_fires_once_late_unless_the_schedule_makes_up_for_none(
    reminders: Reminders, catch_up: str | None, fired: bool, status: str
) -> None:
    schedule = await reminders.create(start="2026-10-05T18:00", rrule="FREQ=DAILY", timezone="UTC", catchUp=catch_up)
    await reminders.scenario.at("2026-10-05T16:00Z")
    await reminders.change(schedule, rule={"startLocal": "2026-10-05T09:00"})
    assert bool(await _fire(reminders)) is fired
    await _sweep(reminders.scenario)
    assert await reminders.statuses(schedule) == [status, "PENDING"]
    assert await _waiting(reminders, schedule) == ["2026-10-06T09:00:00Z"]


# -- the user moves ---------------------------------------------------------------------------------------------------

HOURS = "FREQ=HOURLY;BYHOUR=8,9,10,11,12,13,14,15,16,17,18,19,20,21,22"


async def test_an_hourly_series_whose_user_moves_east_is_no_burst(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-11-30T12:20Z")
    schedule = await reminders.create(start="2026-11-01T08:00", rrule=HOURS)
    assert schedule["nextAt"] == "2026-11-30T13:00:00Z"
    await reminders.scenario.at("2026-11-30T12:30Z")  # 07:30 in New York, 21:30 in Tokyo
    await _user_moves(reminders, "Asia/Tokyo")
    assert len(await _fire(reminders)) <= 1
    assert (await reminders.get(schedule))["nextAt"] == "2026-11-30T13:00:00Z"
    assert await _fire(reminders, "2026-11-30T13:00Z") == ["2026-11-30T13:00:00Z"]
    assert (await reminders.get(schedule))["nextAt"] == "2026-11-30T23:00:00Z"  # 08:00 on the next day


async def test_hourly_series_of_a_user_moving_west_continues_at_the_next_full_hour(reminders: Reminders) -> None:
    scenario = reminders.scenario
    await _user_moves(reminders, "Asia/Tokyo")
    await scenario.at("2026-11-29T23:30Z")
    schedule = await reminders.create(start="2026-11-01T00:00", rrule="FREQ=HOURLY")
    for hour in range(24):  # the whole of 30 November in Tokyo from 09:00 on
        at = f"2026-11-30T{hour:02}:00:00Z"
        assert await _fire(reminders, at) == [at]
    await scenario.at("2026-11-30T23:30Z")
    await _user_moves(reminders, "America/Los_Angeles", 3)
    # Local times that have fired in Tokyo come again, as occurrences of their own.
    for day, hour in [(1, 0), (1, 1), (1, 12), (1, 23), (2, 0)]:
        at = f"2026-12-{day:02}T{hour:02}:00:00Z"
        await scenario.at(at)
        assert at in await _fire(reminders)
    rows = await reminders.events(schedule)
    assert len({row.id for row in rows}) == len(rows)
    assert {row.status for row in rows} == {"COMPLETED", "PENDING"}
    # Back again, on the same day.
    await _user_moves(reminders, "Asia/Tokyo", 4)
    assert await _fire(reminders, "2026-12-02T01:00Z") == ["2026-12-02T01:00:00Z"]


async def test_hourly_series_paused_while_its_user_moves_west_continues_when_resumed(
    reminders: Reminders,
) -> None:
    await _user_moves(reminders, "Asia/Tokyo")
    await reminders.scenario.at("2026-11-30T01:30Z")
    schedule = await reminders.create(start="2026-11-01T00:00", rrule="FREQ=HOURLY")
    assert await _fire(reminders, "2026-11-30T02:00Z") == ["2026-11-30T02:00:00Z"]
    await reminders.do("pause", schedule)
    await _user_moves(reminders, "America/Los_Angeles", 3)
    assert (await reminders.do("resume", schedule))["nextAt"] == "2026-11-30T03:00:00Z"


async def test_a_user_who_moves_past_a_short_grace_misses_a_schedule_as_much_as_an_event(
    reminders: Reminders, editor: Any
) -> None:
    await reminders.scenario.at("2026-10-05T10:00Z")  # 06:00 in New York
    once = await reminders.create(start="2026-10-05T09:00", graceSeconds=3600)
    answer = await editor.post(
        "/v1/events", json={"userId": str(reminders.user_id), "at": "2026-10-05T09:00", "graceSeconds": 3600}
    )
    await _user_moves(reminders, "Asia/Tokyo")  # nine o'clock was ten hours ago
    assert await _sweep(reminders.scenario) == 2
    for event_id in (once["liveEventId"], answer.json()["id"]):
        event = (await editor.get(f"/v1/events/{event_id}")).json()
        assert (event["status"], event["targetTimestampUTC"]) == ("MISSED", "2026-10-05T00:00:00Z")
    assert (await reminders.get(once))["status"] == "ENDED"
    types = [type for type in await reminders.scenario.announced_types() if type == "EventMissed"]
    assert len(types) == 2


# -- what has a time of its own ---------------------------------------------------------------------------------------


async def _daily_at_noon_moved_to_six(reminders: Reminders) -> tuple[dict[str, Any], Row[Any]]:
    await reminders.scenario.at("2026-10-05T08:00Z")
    schedule = await reminders.create(start="2026-10-05T12:00", rrule="FREQ=DAILY", timezone="UTC")
    event = await _last(reminders, schedule)
    await _move(reminders, event, "2026-10-05T18:00:00Z")
    return schedule, event


@pytest.mark.parametrize(
    "rule", [{"exdates": ["2026-10-12T12:00"]}, {"rrule": "FREQ=DAILY;UNTIL=20261105T120000"}], ids=["EXDATE", "UNTIL"]
)
@pytest.mark.parametrize("at", ["2026-10-05T09:00Z", "2026-10-05T13:00Z"], ids=["before noon", "after noon"])
async def test_a_moved_occurrence_keeps_its_time_when_the_rule_is_edited(
    reminders: Reminders, rule: dict[str, Any], at: str
) -> None:
    schedule, event = await _daily_at_noon_moved_to_six(reminders)
    await reminders.scenario.at(at)
    assert (await reminders.change(schedule, rule=rule))["nextAt"] == "2026-10-05T18:00:00Z"
    assert (await reminders.client.get(f"/v1/events/{event.id}")).json()["status"] == "PENDING"
    assert await _fire(reminders, "2026-10-05T18:00Z") == ["2026-10-05T18:00:00Z"]
    assert await _waiting(reminders, schedule) == ["2026-10-06T12:00:00Z"]


async def test_a_moved_occurrence_keeps_its_time_over_a_pause(reminders: Reminders) -> None:
    schedule, event = await _daily_at_noon_moved_to_six(reminders)
    await reminders.do("pause", schedule)
    assert await reminders.statuses(schedule) == ["CANCELLED"]
    resumed = await reminders.do("resume", schedule)
    assert (resumed["nextAt"], resumed["liveEventId"]) == ("2026-10-05T18:00:00Z", str(event.id))
    assert await _fire(reminders, "2026-10-05T18:00Z") == ["2026-10-05T18:00:00Z"]
    assert await _waiting(reminders, schedule) == ["2026-10-06T12:00:00Z"]


async def test_a_moved_occurrence_whose_time_passes_in_a_pause_is_left_out(reminders: Reminders) -> None:
    schedule, _ = await _daily_at_noon_moved_to_six(reminders)
    await reminders.do("pause", schedule)
    await reminders.scenario.at("2026-10-05T19:00Z")
    assert (await reminders.do("resume", schedule))["nextAt"] == "2026-10-06T12:00:00Z"


async def test_a_move_behind_later_occurrences_concerns_one_alone(reminders: Reminders) -> None:
    await reminders.scenario.at("2027-01-03T12:00Z")
    schedule = await reminders.create(start="2027-01-04T09:00", rrule="FREQ=DAILY", timezone="UTC")
    event = await _last(reminders, schedule)
    await _move(reminders, event, "2027-01-08T15:00:00Z")
    assert (await reminders.get(schedule))["nextAt"] == "2027-01-05T09:00:00Z"
    assert [each["targetTimestampUTC"] for each in await reminders.upcoming(schedule, 6)] == [
        "2027-01-05T09:00:00Z", "2027-01-06T09:00:00Z", "2027-01-07T09:00:00Z", "2027-01-08T09:00:00Z",
        "2027-01-08T15:00:00Z", "2027-01-09T09:00:00Z",
    ]  # fmt: skip
    fired = []
    for day in (4, 5, 6, 7, 8):
        fired += await _fire(reminders, f"2027-01-{day:02}T09:00Z")
    fired += await _fire(reminders, "2027-01-08T15:00Z")
    assert fired == [f"2027-01-{day:02}T09:00:00Z" for day in (5, 6, 7, 8)] + ["2027-01-08T15:00:00Z"]
    assert await _waiting(reminders, schedule) == ["2027-01-09T09:00:00Z"]
    rows = await reminders.events(schedule)
    assert [row.occurrence for row in rows if row.id == event.id] == ["2027-01-04T09:00:00"]


async def _moved_behind(reminders: Reminders) -> tuple[dict[str, Any], Row[Any]]:
    await reminders.scenario.at("2027-01-03T12:00Z")
    schedule = await reminders.create(start="2027-01-04T09:00", rrule="FREQ=DAILY")
    event = await _last(reminders, schedule)
    await _move(reminders, event, "2027-01-08T15:00")
    await reminders.scenario.announced()
    return schedule, event


async def test_an_occurrence_moved_behind_others_follows_its_schedule_and_its_user(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule, event = await _moved_behind(reminders)
    await reminders.change(schedule, message="{first_name}: now", rule={"startLocal": "2027-01-04T10:00"})
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="Asia/Tokyo", first_name="Augusta"))
    [moved] = [row for row in await reminders.events(schedule) if row.id == event.id]
    assert (moved.status, moved.payload["message"]) == ("PENDING", "Augusta: now")
    assert moved.target_timestamp_utc == _instant("2027-01-08T06:00Z")
    again = await _move(reminders, moved, "2027-01-07T15:00")
    assert again["targetTimestampUTC"] == "2027-01-07T06:00:00Z"
    assert len(await _waiting(reminders, schedule)) == 2


@pytest.mark.parametrize("action", ["pause", "delete", "exclude", "user deleted"])
async def test_an_occurrence_moved_behind_others_is_cancelled_with_what_it_comes_from(
    reminders: Reminders, action: str
) -> None:
    schedule, event = await _moved_behind(reminders)
    if action == "pause":
        await reminders.do("pause", schedule)
    elif action == "delete":
        await reminders.client.delete(f"/v1/schedules/{schedule['id']}")
    elif action == "exclude":
        await reminders.change(schedule, rule={"exdates": ["2027-01-04T09:00"]})
    else:
        await reminders.scenario.delete(reminders.user_id)
    [moved] = [row for row in await reminders.events(schedule) if row.id == event.id]
    assert moved.status == "CANCELLED"
    assert "EventCancelled" in await reminders.scenario.announced_types()
    if action == "pause":
        await reminders.do("resume", schedule)
        assert await _waiting(reminders, schedule) == ["2027-01-04T14:00:00Z"] * 0 + [
            "2027-01-05T14:00:00Z", "2027-01-08T20:00:00Z",
        ]  # fmt: skip


async def test_a_claim_of_an_occurrence_moved_behind_others_comes_back_and_fires(reminders: Reminders) -> None:
    schedule, event = await _moved_behind(reminders)
    for day in (5, 6, 7, 8):
        await _fire(reminders, f"2027-01-{day:02}T14:00Z")
    await _bus_is_away(reminders, event, "2027-01-08T20:00Z")
    assert await _fire(reminders) == ["2027-01-08T20:00:00Z"]
    assert len(await _waiting(reminders, schedule)) == 1


# -- due occurrences --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [{"exdates": ["2026-10-12T09:00"]}, {"rrule": "FREQ=DAILY;COUNT=9"}, {"rrule": "FREQ=WEEKLY;BYDAY=WE"}]
)
async def test_an_edit_does_not_drop_what_is_due(reminders: Reminders, rule: dict[str, Any]) -> None:
    await reminders.scenario.at("2026-10-05T08:00Z")
    schedule = await reminders.create(start="2026-10-01T09:00", rrule="FREQ=DAILY", timezone="UTC")
    await _bus_is_away(reminders, await _last(reminders, schedule), "2026-10-05T09:00Z")
    await reminders.scenario.at("2026-10-05T10:00Z")
    await reminders.change(schedule, rule=rule)
    assert await _fire(reminders) == ["2026-10-05T09:00:00Z"]
    assert len(await _waiting(reminders, schedule)) == 1


async def test_exception_for_a_due_occurrence_cancels_it_with_a_record(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-05T08:00Z")
    schedule = await reminders.create(start="2026-10-01T09:00", rrule="FREQ=DAILY", timezone="UTC")
    await reminders.scenario.at("2026-10-05T10:00Z")
    changed = await reminders.change(schedule, rule={"exdates": ["2026-10-05T09:00"]})
    assert changed["nextAt"] == "2026-10-06T09:00:00Z"
    [event, _] = await reminders.events(schedule)
    assert (event.status, event.reason) == ("CANCELLED", "excluded by an exception")


async def test_a_shorter_grace_misses_what_is_overdue_with_a_record(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-05T08:00Z")
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=DAILY", timezone="UTC")
    await reminders.scenario.at("2026-10-05T11:00Z")
    await reminders.change(schedule, graceSeconds=3600)
    assert await _fire(reminders) == []
    assert await _sweep(reminders.scenario) == 1
    [missed, following] = await reminders.events(schedule)
    assert (missed.status, missed.reason) == ("MISSED", "grace ended")
    assert (following.status, following.target_timestamp_utc) == ("PENDING", _instant("2026-10-06T09:00Z"))
    assert "EventMissed" in await reminders.scenario.announced_types()


# -- after an outage --------------------------------------------------------------------------------------------------


async def test_after_an_outage_an_hourly_series_fires_once_late_and_counts_the_others(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-05T09:30Z")
    schedule = await reminders.create(start="2026-10-05T00:00", rrule="FREQ=HOURLY", timezone="UTC")
    assert await _fire(reminders, "2026-10-05T15:20Z") == ["2026-10-05T10:00:00Z"]
    late, following = await reminders.events(schedule)
    assert (late.coalesced, following.coalesced) == (5, 0)
    assert following.target_timestamp_utc == _instant("2026-10-05T16:00Z")
    shown = (await reminders.client.get(f"/v1/events/{late.id}")).json()
    assert shown["coalesced"] == 5


async def test_after_an_outage_past_its_grace_an_hourly_series_fires_the_latest_slot(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-05T09:30Z")
    schedule = await reminders.create(start="2026-10-05T00:00", rrule="FREQ=HOURLY", timezone="UTC", graceSeconds=3600)
    await reminders.scenario.at("2026-10-05T15:20Z")
    assert await _sweep(reminders.scenario) == 1
    assert await _fire(reminders) == ["2026-10-05T15:00:00Z"]
    missed, late, following = await reminders.events(schedule)
    assert (missed.status, late.coalesced) == ("MISSED", 4)
    assert following.target_timestamp_utc == _instant("2026-10-05T16:00Z")


@pytest.mark.parametrize(
    ("rrule", "catch_up", "late", "coalesced"),
    [
        ("FREQ=HOURLY", "all", 6, 0),
        ("FREQ=HOURLY", "none", 1, 5),
        ("FREQ=HOURLY", None, 1, 5),
        ("FREQ=DAILY", None, 3, 0),
        ("FREQ=DAILY", "one", 1, 2),
        ("FREQ=DAILY", "none", 1, 2),
    ],
)
async def test_how_many_are_made_up_for_after_an_outage_is_the_schedules_choice(
    reminders: Reminders, rrule: str, catch_up: str | None, late: int, coalesced: int
) -> None:
    await reminders.scenario.at("2026-10-05T09:30Z")
    schedule = await reminders.create(
        start="2026-10-01T10:00", rrule=rrule, timezone="UTC", catchUp=catch_up, graceSeconds=1_000_000
    )
    until = "2026-10-05T15:20Z" if rrule == "FREQ=HOURLY" else "2026-10-07T15:20Z"
    assert len(await _fire(reminders, until)) == late
    rows = await reminders.events(schedule)
    assert sum(row.coalesced for row in rows) == coalesced
    assert [row.status for row in rows] == ["COMPLETED"] * late + ["PENDING"]


async def test_a_slot_that_comes_due_while_its_predecessor_is_published_is_not_late(reminders: Reminders) -> None:
    await reminders.scenario.at("2026-10-05T09:30Z")
    await reminders.create(start="2026-10-05T00:00", rrule="FREQ=HOURLY", timezone="UTC")
    assert await _fire(reminders, "2026-10-05T11:00:30Z") == ["2026-10-05T10:00:00Z", "2026-10-05T11:00:00Z"]


# -- exceptions of an edit --------------------------------------------------------------------------------------------


async def test_an_edit_that_leaves_an_exception_without_effect_is_refused_by_its_name(reminders: Reminders) -> None:
    rule = {"kind": "RRULE", "startLocal": "2026-10-01T00:00", "rrule": "FREQ=HOURLY", "exdates": ["2026-10-05T13:00"]}
    schedule = await reminders.create(rule=rule, timezone="UTC")
    answer = await reminders.patch(schedule, rule={"startLocal": "2026-10-01T00:05"})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "rule.exdates"
    assert "2026-10-05T13:00:00" in error["detail"]
    assert (await reminders.get(schedule))["version"] == 1
    changed = await reminders.change(schedule, rule={"startLocal": "2026-10-01T00:05", "exdates": ["2026-10-05T13:05"]})
    assert changed["rule"]["exdates"] == ["2026-10-05T13:05:00"]


@pytest.mark.parametrize(
    "rule", [{"rrule": "FREQ=DAILY;UNTIL=20261008T090000"}, {"startLocal": "2026-10-06T09:00"}, {"exdates": None}]
)
async def test_an_edit_whose_exceptions_are_passed_or_behind_the_end_is_accepted(
    reminders: Reminders, rule: dict[str, Any]
) -> None:
    await reminders.scenario.at("2026-10-05T10:00Z")
    created = {
        "kind": "RRULE", "startLocal": "2026-10-01T09:00", "rrule": "FREQ=DAILY",
        "exdates": ["2026-10-02T09:00", "2026-10-12T09:00"],
    }  # fmt: skip
    schedule = await reminders.create(rule=created, timezone="UTC")
    await reminders.change(schedule, rule=rule)


async def test_an_event_is_found_under_its_identity_after_an_edit_and_a_move(reminders: Reminders) -> None:
    schedule, event = await _daily_at_noon_moved_to_six(reminders)
    await reminders.change(schedule, rule={"startLocal": "2026-10-05T11:00"})
    [row] = await reminders.events(schedule)
    assert (row.id, row.occurrence) == (event.id, "2026-10-05T12:00:00")
    assert UUID(schedule["liveEventId"]) == event.id
    assert row.target_timestamp_utc - event.target_timestamp_utc == timedelta(hours=6)
