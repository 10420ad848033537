"""Schedules that a client created: once or by a rule, in the user's zone or a fixed one, from birth to end."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from event_scenario import RULES
from reminders import Reminders

from contracts.identity import derive_id
from contracts.vocabulary import EventType, Priority
from event_service.application.firing import return_unconfirmed
from event_service.application.next_occurrence import make_near
from event_service.application.outcomes import sweep_missed


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def _fire(reminders: Reminders, at: str, *, answered: bool = True) -> int | None:
    scenario = reminders.scenario
    await scenario.at(at)
    fired = await scenario.fire(Priority.NORMAL)
    if fired and answered:
        await scenario.answer(*(scenario.outcome(event) for event in scenario.bus.published[-fired:]))
    return fired


async def test_one_in_the_users_zone_is_made_fired_and_then_over(reminders: Reminders) -> None:
    schedule = await reminders.create(payload={"dose": 2})
    [event] = await reminders.events(schedule)
    assert event.id == derive_id(UUID(schedule["id"]), "2026-10-05T09:00:00") == UUID(schedule["liveEventId"])
    assert event.target_timestamp_utc == _instant("2026-10-05T13:00Z")
    assert (event.event_type, event.priority, event.timezone) == ("REMINDER", Priority.NORMAL, "America/New_York")
    assert event.payload == {"dose": 2, "message": "Ada: Pills"}
    assert event.grace_until == event.target_timestamp_utc + timedelta(hours=24)
    assert await reminders.scenario.announced_types() == ["EventScheduled"]
    assert await _fire(reminders, "2026-10-05T13:00Z") == 1
    after = await reminders.get(schedule)
    assert (after["status"], after["nextAt"], after["liveEventId"]) == ("ENDED", None, None)
    assert after["lastOccurrence"] == "2026-10-05T09:00:00"
    assert await reminders.scenario.announced_types() == ["EventPublished", "EventCompleted"]


@pytest.mark.parametrize("rrule", ["FREQ=WEEKLY;COUNT=2", "FREQ=WEEKLY;UNTIL=20261012T090000"])
async def test_a_rule_that_is_counted_or_bounded_ends(reminders: Reminders, rrule: str) -> None:
    schedule = await reminders.create(rrule=rrule)
    assert await _fire(reminders, "2026-10-05T13:00Z") == 1
    assert (await reminders.get(schedule))["nextAt"] == "2026-10-12T13:00:00Z"
    assert await _fire(reminders, "2026-10-12T13:00Z") == 1
    assert (await reminders.get(schedule))["status"] == "ENDED"
    assert await reminders.statuses(schedule) == ["COMPLETED", "COMPLETED"]


async def test_it_keeps_its_local_time_over_a_clock_change(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-31T09:00", rrule="FREQ=DAILY")
    await _fire(reminders, "2026-10-31T13:00Z")
    assert (await reminders.get(schedule))["nextAt"] == "2026-11-01T14:00:00Z"


async def test_it_begins_at_its_first_time_from_now_on(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2020-01-06T09:00", rrule="FREQ=WEEKLY")
    assert [row.occurrence for row in await reminders.events(schedule)] == ["2026-10-05T09:00:00"]


async def test_it_follows_its_user_or_stays_in_its_own_zone(reminders: Reminders) -> None:
    scenario = reminders.scenario
    following = await reminders.create()
    fixed = await reminders.create(timezone="Europe/Berlin")
    assert (await reminders.events(fixed))[0].target_timestamp_utc == _instant("2026-10-05T07:00Z")
    await scenario.announced()
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="Asia/Tokyo", first_name="Augusta"))
    [moved], [stayed] = await reminders.events(following), await reminders.events(fixed)
    assert (moved.target_timestamp_utc, moved.timezone) == (_instant("2026-10-05T00:00Z"), "Asia/Tokyo")
    assert (stayed.target_timestamp_utc, stayed.timezone) == (_instant("2026-10-05T07:00Z"), "Europe/Berlin")
    assert moved.payload["message"] == stayed.payload["message"] == "Augusta: Pills"
    assert moved.id == UUID(following["liveEventId"])
    assert await scenario.announced_types() == ["EventRescheduled", "EventRescheduled"]
    # The API shows the zone, and its version shows the change.
    shown = await reminders.get(following)
    assert (shown["timezone"], shown["version"]) == ("Asia/Tokyo", 2)


async def test_a_move_on_the_day_to_a_time_that_has_passed_fires_at_once_and_never_twice(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await scenario.at("2026-10-05T10:00Z")
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="Europe/Athens"))
    assert await _fire(reminders, "2026-10-05T10:01Z") == 1
    await scenario.receive(scenario.user(reminders.user_id, 3, timezone="Pacific/Honolulu"))
    assert await _fire(reminders, "2026-10-05T19:00Z") == 0
    assert await reminders.statuses(schedule) == ["COMPLETED", "PENDING"]
    assert (await reminders.events(schedule))[1].occurrence == "2026-10-06T09:00:00"


async def test_another_time_on_the_day_that_has_passed_fires_at_once(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T18:00", rrule="FREQ=DAILY")
    await reminders.scenario.at("2026-10-05T16:00Z")
    await reminders.change(schedule, rule={"startLocal": "2026-10-05T09:00"})
    [event] = await reminders.events(schedule)
    assert (event.occurrence, event.target_timestamp_utc) == ("2026-10-05T09:00:00", _instant("2026-10-05T13:00Z"))
    assert await _fire(reminders, "2026-10-05T16:00Z") == 1


async def test_another_rule_replaces_the_pending_event(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await reminders.scenario.announced()
    changed = await reminders.change(schedule, rule={"rrule": "FREQ=WEEKLY;BYDAY=WE"})
    assert changed["version"] == 2
    # DTSTART is the first occurrence, whatever the rule says (RFC 5545).
    assert [each["wall"] for each in await reminders.upcoming(schedule, 2)] == [
        "2026-10-05T09:00:00",
        "2026-10-07T09:00:00",
    ]
    changed = await reminders.change(schedule, rule={"startLocal": "2026-10-07T09:00"})
    assert [row.occurrence for row in await reminders.events(schedule)] == ["2026-10-07T09:00:00"]
    announced = await reminders.scenario.announced()
    assert [(type, item.get("reason")) for type, item in announced][-2:] == [
        ("EventScheduled", None),
        ("EventCancelled", "schedule changed"),
    ]


async def test_a_changed_message_priority_and_grace_are_in_the_waiting_event(reminders: Reminders) -> None:
    schedule = await reminders.create(payload={"a": 1, "b": {"c": 2}})
    await reminders.change(
        schedule, message="{full_name}: now", urgent=True, graceSeconds=60, expirySeconds=120,
        payload={"a": None, "b": {"d": 3}},
    )  # fmt: skip
    [event] = await reminders.events(schedule)
    assert event.payload == {"message": "Ada Lovelace: now", "b": {"c": 2, "d": 3}}
    assert event.priority == Priority.HIGH
    assert event.grace_until - event.target_timestamp_utc == timedelta(seconds=60)
    assert event.expires_at - event.target_timestamp_utc == timedelta(seconds=120)


async def test_pause_cancels_and_resuming_restores_the_same_event(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    paused = await reminders.do("pause", schedule)
    assert (paused["status"], paused["nextAt"], paused["version"]) == ("PAUSED", None, 2)
    [event] = await reminders.events(schedule)
    assert (event.status, event.history[-1]["cause"]) == ("CANCELLED", "schedule paused")
    assert await reminders.do("pause", schedule) == paused
    assert await _fire(reminders, "2026-10-05T12:00Z") == 0
    assert (await reminders.upcoming(schedule, 1))[0]["occurrence"] == "2026-10-05T09:00:00"
    resumed = await reminders.do("resume", schedule)
    assert (resumed["status"], resumed["version"]) == ("ACTIVE", 3)
    assert (await reminders.do("resume", schedule))["version"] == 3
    [event] = await reminders.events(schedule)
    assert (str(event.id), event.status) == (schedule["liveEventId"], "PENDING")
    assert event.payload == {"message": "Ada: Pills"}
    assert [step["cause"] for step in event.history] == ["scheduled", "schedule paused", "scheduled again"]
    assert await _fire(reminders, "2026-10-05T13:00Z") == 1


async def test_occurrences_during_a_pause_are_skipped(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await reminders.do("pause", schedule)
    await reminders.scenario.at("2026-10-08T00:00Z")
    await reminders.do("resume", schedule)
    assert [(row.occurrence, row.status) for row in await reminders.events(schedule)] == [
        ("2026-10-05T09:00:00", "CANCELLED"),
        ("2026-10-08T09:00:00", "PENDING"),
    ]


async def test_one_that_was_paused_over_its_end_has_ended(reminders: Reminders) -> None:
    schedule = await reminders.create()
    await reminders.do("pause", schedule)
    await reminders.scenario.at("2026-10-06T00:00Z")
    assert (await reminders.do("resume", schedule))["status"] == "ENDED"


async def test_a_zone_change_in_a_pause_counts_when_it_ends(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create()
    await reminders.do("pause", schedule)
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="Asia/Tokyo"))
    assert await reminders.statuses(schedule) == ["CANCELLED"]
    await reminders.do("resume", schedule)
    [event] = await reminders.events(schedule)
    assert (event.status, event.target_timestamp_utc) == ("PENDING", _instant("2026-10-05T00:00Z"))


async def test_an_occurrence_that_a_pause_cancelled_comes_when_its_time_is_reached_another_way(
    reminders: Reminders,
) -> None:
    schedule = await reminders.create(start="2026-10-07T09:00", rrule="FREQ=DAILY;INTERVAL=2")
    await reminders.do("pause", schedule)
    await reminders.change(schedule, rule={"startLocal": "2026-10-06T09:00", "rrule": "FREQ=DAILY"})
    await reminders.do("resume", schedule)
    assert await _fire(reminders, "2026-10-06T13:00Z") == 1
    assert [(row.occurrence[8:10], row.status) for row in await reminders.events(schedule)] == [
        ("06", "COMPLETED"),
        ("07", "PENDING"),
    ]
    await reminders.do("pause", schedule)
    await reminders.change(schedule, rule={"startLocal": "2026-10-08T09:00"})
    await reminders.do("resume", schedule)
    await reminders.change(schedule, rule={"startLocal": "2026-10-07T09:00"})
    assert [(row.occurrence[8:10], row.status) for row in await reminders.events(schedule)] == [
        ("06", "COMPLETED"),
        ("07", "PENDING"),
    ]


async def test_what_was_delivered_in_spite_of_a_pause_does_not_come_again(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await scenario.at("2026-10-05T13:00Z")
    [sent] = await scenario.claim(Priority.NORMAL)
    # Its stamp was lost and its claim returned, but the message was on its way.
    await scenario.execute("UPDATE events SET status = 'PENDING', claimed_until = NULL")
    await reminders.do("pause", schedule)
    await scenario.answer(scenario.outcome(sent))
    assert await reminders.statuses(schedule) == ["COMPLETED"]
    await scenario.at("2026-10-05T12:59Z")
    await reminders.do("resume", schedule)
    assert [(row.occurrence[8:10], row.status) for row in await reminders.events(schedule)] == [
        ("05", "COMPLETED"),
        ("06", "PENDING"),
    ]


@pytest.mark.parametrize("in_hand", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "next_at"),
    [
        (
            {"kind": "YEARLY", "startLocal": "2020-10-05T09:00"},
            {"kind": "RRULE", "startLocal": "2026-10-05T09:00", "rrule": "FREQ=DAILY"},
            "2026-10-06T13:00:00Z",
        ),
        (
            {"kind": "RRULE", "startLocal": "2026-10-05T09:00", "rrule": "FREQ=DAILY"},
            {"kind": "YEARLY", "startLocal": "2020-10-05T09:00"},
            "2027-10-05T13:00:00Z",
        ),
    ],
)
async def test_a_rule_of_another_kind_does_not_bring_back_what_has_fired(
    reminders: Reminders, before: dict[str, Any], after: dict[str, Any], next_at: str, in_hand: bool
) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rule=before)
    await _fire(reminders, "2026-10-05T13:00Z", answered=not in_hand)
    await scenario.at("2026-10-05T13:01Z")
    await reminders.change(schedule, rule=after)
    if in_hand:
        await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    assert (await reminders.get(schedule))["nextAt"] == next_at


@pytest.mark.parametrize("action", ["pause", "delete"])
async def test_claimed_event_is_not_stopped_and_is_the_last(reminders: Reminders, action: str) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    assert await _fire(reminders, "2026-10-05T13:00Z", answered=False) == 1
    if action == "pause":
        await reminders.do("pause", schedule)
    else:
        await reminders.client.delete(f"/v1/schedules/{schedule['id']}")
    assert await reminders.statuses(schedule) == ["PROCESSING", "CANCELLED"]
    await reminders.scenario.answer(reminders.scenario.outcome(reminders.scenario.bus.published[0]))
    assert await reminders.statuses(schedule) == ["COMPLETED", "CANCELLED"]
    if action == "pause":
        paused = await reminders.get(schedule)
        assert (paused["status"], paused["lastOccurrence"]) == ("PAUSED", "2026-10-05T09:00:00")
        await reminders.do("resume", schedule)
        assert await reminders.statuses(schedule) == ["COMPLETED", "PENDING"]


@pytest.mark.parametrize("action", ["pause", "delete"])
async def test_a_claim_that_returns_to_a_schedule_that_does_not_want_it_is_cancelled(
    reminders: Reminders, action: str
) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await scenario.at("2026-10-05T13:00Z")
    assert len(await scenario.claim(Priority.NORMAL, lease_seconds=-3 * 3600)) == 1  # its outcome horizon has ended
    if action == "pause":
        await reminders.do("pause", schedule)
    else:
        await reminders.client.delete(f"/v1/schedules/{schedule['id']}")
    assert await return_unconfirmed(scenario.runtime.database, scenario.runtime.outbox, scenario.firing) == 1
    [event] = await reminders.events(schedule)
    assert (event.status, event.reason) == ("CANCELLED", "schedule deleted or paused")
    if action == "pause":
        await reminders.do("resume", schedule)
        [revived, *_] = await reminders.events(schedule)
        assert revived.occurrence == "2026-10-05T09:00:00"
        assert await reminders.statuses(schedule) == ["PENDING"]


async def test_a_deleted_schedule_leaves_its_past(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await _fire(reminders, "2026-10-05T13:00Z")
    await reminders.scenario.announced()
    assert (await reminders.client.delete(f"/v1/schedules/{schedule['id']}")).status_code == 204
    assert await reminders.statuses(schedule) == ["COMPLETED", "CANCELLED"]
    [(type, item)] = await reminders.scenario.announced()
    assert (type, item["reason"]) == ("EventCancelled", "schedule deleted")
    assert (await reminders.client.get(f"/v1/schedules/{schedule['id']}")).status_code == 404


async def test_a_deleted_user_takes_them_along(reminders: Reminders) -> None:
    schedule = await reminders.create()
    await reminders.do("pause", await reminders.create())
    await reminders.scenario.delete(reminders.user_id)
    [event] = await reminders.events(schedule)
    assert (event.status, event.payload) == ("CANCELLED", {})
    assert await reminders.scenario.rows("SELECT 1 FROM schedules") == []


async def test_after_a_downtime_what_is_inside_its_grace_comes_late_and_the_rest_is_missed(
    reminders: Reminders,
) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rrule="FREQ=HOURLY;INTERVAL=8", catchUp="all")
    await scenario.at("2026-10-07T14:00Z")
    assert await sweep_missed(scenario.runtime.database, scenario.runtime.outbox, RULES, limit=10) == 1
    while await scenario.fire(Priority.NORMAL):
        await scenario.answer(scenario.outcome(scenario.bus.published[-1]))
    found = [(row.occurrence, row.status) for row in await reminders.events(schedule)]
    assert found == [
        ("2026-10-05T09:00:00", "MISSED"),
        ("2026-10-05T17:00:00", "MISSED"),
        ("2026-10-06T01:00:00", "MISSED"),
        ("2026-10-06T09:00:00", "MISSED"),
        ("2026-10-06T17:00:00", "COMPLETED"),
        ("2026-10-07T01:00:00", "COMPLETED"),
        ("2026-10-07T09:00:00", "COMPLETED"),
        ("2026-10-07T17:00:00", "PENDING"),
    ]


async def test_one_far_ahead_waits_in_its_schedule_until_it_is_near(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(start="2030-01-01T09:00")
    assert (schedule["status"], schedule["nextAt"], schedule["liveEventId"]) == (
        "ACTIVE",
        "2030-01-01T14:00:00Z",
        None,
    )
    assert await reminders.events(schedule) == []
    database, outbox = scenario.runtime.database, scenario.runtime.outbox
    assert await make_near(database, outbox, RULES, limit=10) == 0
    # It still moves with its user.
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="UTC", date_of_birth=date(1990, 1, 1)))
    assert (await reminders.get(schedule))["nextAt"] == "2030-01-01T09:00:00Z"
    await scenario.announced()
    await scenario.at("2029-01-01T00:00Z")
    assert await make_near(database, outbox, RULES, limit=10) == 1
    assert await make_near(database, outbox, RULES, limit=10) == 0
    [event] = await reminders.events(schedule)
    assert (event.status, event.target_timestamp_utc) == ("PENDING", _instant("2030-01-01T09:00Z"))
    assert (await reminders.get(schedule))["liveEventId"] == str(event.id)
    assert await scenario.announced_types() == ["EventScheduled"]


async def test_many_that_came_near_are_made_in_bounded_batches(reminders: Reminders) -> None:
    scenario = reminders.scenario
    for _ in range(5):
        await reminders.create(start="2030-01-01T09:00")
    await reminders.do("pause", await reminders.create(start="2030-01-01T09:00"))
    await scenario.at("2029-01-01T00:00Z")
    database, outbox = scenario.runtime.database, scenario.runtime.outbox
    assert [await make_near(database, outbox, RULES, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    [(made,)] = await scenario.rows("SELECT count(*) FROM events WHERE event_type = 'REMINDER'")
    assert made == 5


async def test_an_event_without_a_schedule_follows_its_user_too(reminders: Reminders) -> None:
    scenario = reminders.scenario
    insert = (
        "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, wall, timezone,"
        " follows_user, tzdata, grace_until, template, payload, tags, contact, history)"
        " SELECT gen_random_uuid(), '2026-10-05T13:00Z', :user_id, 'NOTIFICATION', name, 3,"
        " CASE WHEN name <> 'instant' THEN CAST('2026-10-05T09:00' AS timestamp) END, 'America/New_York',"
        " name = 'follows', '', '2026-10-06T13:00Z', CASE WHEN name <> 'instant' THEN '{first_name}!' END,"
        """ '{"message": "Ada!", "x": 1}', '{}', '{}', '[]' FROM unnest(ARRAY['follows', 'fixed', 'instant']) AS name"""
    )
    await scenario.execute(insert, user_id=reminders.user_id)
    await scenario.receive(scenario.user(reminders.user_id, 2, timezone="Asia/Tokyo", first_name="Augusta"))

    async def found() -> dict[str, Any]:
        rows = await scenario.rows("SELECT * FROM events WHERE event_type = :type", type=EventType.NOTIFICATION)
        return {row.occurrence: row for row in rows}

    events = await found()
    moved = events["follows"]
    assert (moved.target_timestamp_utc, moved.timezone) == (_instant("2026-10-05T00:00Z"), "Asia/Tokyo")
    assert moved.grace_until == _instant("2026-10-06T00:00Z")
    assert {events[name].target_timestamp_utc for name in ("fixed", "instant")} == {_instant("2026-10-05T13:00Z")}
    assert events["follows"].payload == events["fixed"].payload == {"message": "Augusta!", "x": 1}
    assert events["instant"].payload == {"message": "Ada!", "x": 1}
    assert {tuple(each.tags) for each in events.values()} == {("vip",)}
    await scenario.delete(reminders.user_id, 3)
    assert {each.status for each in (await found()).values()} == {"CANCELLED"}


async def test_a_change_of_the_user_does_not_hide_what_was_missed(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(rrule="FREQ=DAILY")
    await scenario.at("2026-10-07T12:00Z")
    await scenario.receive(scenario.user(reminders.user_id, 2, first_name="Augusta", timezone="Asia/Tokyo"))
    assert await reminders.statuses(schedule) == ["PENDING"]
    assert await sweep_missed(scenario.runtime.database, scenario.runtime.outbox, RULES, limit=10) == 1
    *missed, coming = await reminders.events(schedule)
    assert [(each.occurrence, each.status) for each in missed] == [
        ("2026-10-05T09:00:00", "MISSED"),
        ("2026-10-06T09:00:00", "MISSED"),
    ]
    # What follows is in the new zone, and what is inside its grace there is made up for.
    assert (coming.target_timestamp_utc, coming.timezone) == (_instant("2026-10-07T00:00Z"), "Asia/Tokyo")
    assert coming.payload["message"] == "Augusta: Pills"
