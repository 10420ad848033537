"""Send windows on a database: what is planned, what comes late, what is broadcast, and whose window counts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from event_scenario import Scenario
from reminders import Reminders
from sqlalchemy import Row

from chassis.core.zones import zone
from contracts.messages.spec import MessageType
from contracts.send_hours import SendHours
from contracts.send_window import SendWindow, Span
from contracts.vocabulary import EventType, Priority
from event_service.adapters.due_events import to_due_event
from event_service.adapters.partitions import Partitions
from event_service.application.broadcasts import Broadcaster
from event_service.domain.send_times import HELD_BACK, NO_OPENING
from event_service.domain.spread import offset, share_of

NEW_YORK = zone("America/New_York")
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
DAYTIME = [{"days": DAYS, "from": "08:00", "until": "20:00"}]
MORNING = [SendHours(days=["MO", "TU", "WE", "TH", "FR", "SA", "SU"], from_=time(10), until=time(12))]


def _there(wall: str) -> datetime:
    return datetime.fromisoformat(wall).replace(tzinfo=NEW_YORK).astimezone(UTC)


def _local(instant: datetime) -> str:
    return instant.astimezone(NEW_YORK).replace(tzinfo=None).isoformat(timespec="minutes")


async def _only(reminders: Reminders, schedule: dict[str, Any]) -> Row[Any]:
    [event] = await reminders.events(schedule)
    return event


# -- planned ----------------------------------------------------------------------------------------------------------


async def test_planned_time_outside_the_window_is_moved_to_its_opening_and_keeps_its_grace(
    reminders: Reminders,
) -> None:
    schedule = await reminders.create(start="2026-10-05T03:00", sendWindow=DAYTIME)
    event = await _only(reminders, schedule)
    assert _local(event.target_timestamp_utc) == "2026-10-05T08:00"
    assert _local(event.planned_at) == "2026-10-05T03:00"
    assert event.grace_until == event.planned_at + timedelta(hours=24)
    assert event.occurrence == "2026-10-05T03:00:00"
    body = (await reminders.client.get(f"/v1/events/{event.id}")).json()
    assert body["originalTargetTimestampUTC"] == "2026-10-05T07:00:00Z"
    assert schedule["nextAt"] == "2026-10-05T12:00:00Z"


async def test_upcoming_shows_the_shift_and_why(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T21:00", rrule="FREQ=WEEKLY;BYDAY=MO", sendWindow=DAYTIME)
    first, *_ = await reminders.upcoming(schedule, 2)
    assert first["wall"] == "2026-10-05T21:00:00"
    assert first["targetTimestampLocal"] == "2026-10-06T08:00:00-04:00"
    assert first["originalTargetTimestampUTC"] == "2026-10-06T01:00:00Z"
    assert first["policies"] == ["SEND_WINDOW"]


async def test_forecast_counts_a_moved_event_in_the_hour_of_the_opening(reminders: Reminders) -> None:
    await reminders.create(start="2026-10-01T03:00", sendWindow=DAYTIME)
    await reminders.create(start="2026-10-01T08:30", sendWindow=DAYTIME)
    [hour] = (await reminders.client.get("/v1/forecast")).json()["hours"]
    assert (hour["hour"], hour["total"], hour["movedBySendWindow"]) == ("2026-10-01T12:00:00Z", 2, 1)


async def test_hourly_reminder_stands_for_the_hours_of_the_night(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T00:30", rrule="FREQ=HOURLY", sendWindow=DAYTIME)
    coming = await reminders.upcoming(schedule, 14)
    assert coming[0]["targetTimestampLocal"] == "2026-10-05T08:00:00-04:00"
    assert (coming[0]["wall"], coming[0]["standsFor"]) == ("2026-10-05T07:30:00", 7)
    assert [each["targetTimestampLocal"][11:16] for each in coming[1:3]] == ["08:30", "09:30"]
    assert coming[13]["targetTimestampLocal"] == "2026-10-06T08:00:00-04:00"


async def test_planned_time_without_an_opening_inside_its_grace_is_named_and_missed(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(
        start="2026-10-05T03:00", rrule="FREQ=DAILY;COUNT=2", sendWindow=DAYTIME, graceSeconds=3600
    )
    assert (await reminders.upcoming(schedule, 1))[0]["policies"] == ["SEND_WINDOW_MISSED"]
    await scenario.announced()
    await scenario.at("2026-10-05T07:00Z")
    assert await scenario.fire(Priority.NORMAL) == 1
    assert scenario.bus.published == []
    first, second = await reminders.events(schedule)
    assert (first.status, first.reason) == ("MISSED", NO_OPENING)
    assert second.status == "PENDING"
    missed = [item for type, item in await scenario.announced() if type == "EventMissed"]
    assert [item["reason"] for item in missed] == [NO_OPENING]


# -- late -------------------------------------------------------------------------------------------------------------


async def test_event_that_is_late_at_night_waits_for_the_opening_as_the_same_event(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(start="2026-10-05T19:00", rrule="FREQ=DAILY", sendWindow=DAYTIME)
    before = await _only(reminders, schedule)
    await scenario.announced()
    await scenario.at("2026-10-06T07:00Z")  # three in the morning
    assert await scenario.fire(Priority.NORMAL) == 1
    assert scenario.bus.published == []
    event = await _only(reminders, schedule)
    assert (event.id, event.status, event.grace_until) == (before.id, "PENDING", before.grace_until)
    assert _local(event.target_timestamp_utc) == "2026-10-06T08:00"
    assert event.planned_at == before.target_timestamp_utc
    assert [step["cause"] for step in event.history] == ["scheduled", "claimed", HELD_BACK]
    assert (await reminders.get(schedule))["nextAt"] == "2026-10-06T12:00:00Z"
    [(type, item)] = await scenario.announced()
    assert (type, item["reason"]) == (MessageType.EVENT_RESCHEDULED, HELD_BACK)

    assert await scenario.fire(Priority.NORMAL) == 0
    await scenario.at("2026-10-06T12:00Z")
    assert await scenario.fire(Priority.NORMAL) == 1
    [published] = scenario.bus.published
    due = to_due_event(published, published.target)
    assert due.metadata.late is False
    assert due.metadata.target_timestamp_utc == _there("2026-10-06T08:00")
    assert due.metadata.original_target_timestamp_utc == _there("2026-10-05T19:00")
    assert due.metadata.send_window is not None
    assert due.metadata.send_window.timezone == "America/New_York"
    following = (await reminders.events(schedule))[-1]
    assert _local(following.target_timestamp_utc) == "2026-10-06T19:00"


async def test_late_event_whose_window_opens_after_its_grace_is_missed_with_that_reason(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(
        start="2026-10-05T19:00", rrule="FREQ=DAILY", sendWindow=DAYTIME, graceSeconds=36_000
    )
    await scenario.at("2026-10-06T02:00Z")
    assert await scenario.fire(Priority.NORMAL) == 1
    first, second = await reminders.events(schedule)
    assert (first.status, first.reason) == ("MISSED", NO_OPENING)
    assert (_local(second.target_timestamp_utc), second.status) == ("2026-10-06T19:00", "PENDING")


async def test_deleted_user_is_not_put_back(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(start="2026-10-05T19:00", sendWindow=DAYTIME)
    await scenario.at("2026-10-06T07:00Z")
    await scenario.execute("UPDATE recipients SET deleted = true WHERE user_id = :id", id=reminders.user_id)
    await scenario.fire(Priority.NORMAL)
    assert await reminders.statuses(schedule) == ["CANCELLED"]


async def test_late_event_inside_its_window_is_fired_at_once(reminders: Reminders) -> None:
    await reminders.create(start="2026-10-05T09:00", sendWindow=DAYTIME)
    await reminders.scenario.at("2026-10-05T18:00Z")
    await reminders.scenario.fire(Priority.NORMAL)
    assert len(reminders.scenario.bus.published) == 1


async def test_ignoring_event_is_sent_at_any_time(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T03:00", sendWindow=DAYTIME, ignoreSendWindow=True)
    assert _local((await _only(reminders, schedule)).target_timestamp_utc) == "2026-10-05T03:00"
    await reminders.scenario.at("2026-10-05T07:00Z")
    await reminders.scenario.fire(Priority.NORMAL)
    [event] = reminders.scenario.bus.published
    assert to_due_event(event, event.target).metadata.send_window is None


@pytest.fixture
def quiet_type(reminders: Reminders) -> Scenario:
    """Reminders as a type have a window from 08:00 to 20:00."""
    scenario = reminders.scenario
    window = SendWindow((Span(frozenset(range(7)), time(8), time(20)),))
    rules = {**scenario.rules, EventType.REMINDER: replace(scenario.rules[EventType.REMINDER], window=window)}
    scenario.firing = replace(scenario.firing, types=rules)
    return scenario


async def test_window_of_the_type_holds_for_what_was_planned_without_it(
    reminders: Reminders, quiet_type: Scenario
) -> None:
    scenario = quiet_type
    schedule = await reminders.create(start="2026-10-05T03:00")
    await scenario.at("2026-10-05T07:00Z")
    await scenario.fire(Priority.NORMAL)
    event = await _only(reminders, schedule)
    assert (event.status, _local(event.target_timestamp_utc)) == ("PENDING", "2026-10-05T08:00")


# -- whose window -----------------------------------------------------------------------------------------------------


async def test_window_of_the_user_takes_precedence_and_moves_pending_events(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(start="2026-10-05T03:00", sendWindow=DAYTIME)
    await scenario.receive(scenario.user(reminders.user_id, version=2, send_window=MORNING))
    assert _local((await _only(reminders, schedule)).target_timestamp_utc) == "2026-10-05T10:00"
    shown = await reminders.get(schedule)
    assert shown["userSendWindow"] == [{"days": DAYS, "from": "10:00", "until": "12:00"}]
    await scenario.receive(scenario.user(reminders.user_id, version=3))
    assert _local((await _only(reminders, schedule)).target_timestamp_utc) == "2026-10-05T08:00"


async def test_birthday_keeps_to_the_window_of_its_user(scenario: Scenario) -> None:
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user(send_window=MORNING)
    await scenario.receive(user)
    assert _local((await scenario.event(user.user_id)).target_timestamp_utc) == "2026-11-23T10:00"


async def test_window_is_judged_in_the_zone_of_the_user_not_of_the_schedule(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", timezone="Europe/Berlin", sendWindow=DAYTIME)
    event = await _only(reminders, schedule)
    assert _local(event.planned_at) == "2026-10-05T03:00"
    assert _local(event.target_timestamp_utc) == "2026-10-05T08:00"
    scenario = reminders.scenario
    await scenario.receive(scenario.user(reminders.user_id, version=2, timezone="Europe/Berlin"))
    event = await _only(reminders, schedule)
    assert (event.target_timestamp_utc, event.planned_at) == (_there("2026-10-05T03:00"), None)


async def test_move_over_zones_into_the_night_waits_for_the_morning_there(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T07:30Z")
    user = scenario.user(timezone="Europe/Paris", delivery_time=time(8), send_window=MORNING)
    await scenario.receive(user)
    moved = scenario.user(user.user_id, 2, timezone="America/New_York", delivery_time=time(1), send_window=MORNING)
    await scenario.receive(moved)
    event = await scenario.event(user.user_id)
    assert _local(event.target_timestamp_utc) == "2026-11-23T10:00"
    assert event.occurrence == "2026"


# -- one-offs ---------------------------------------------------------------------------------------------------------


async def _one_off(client: httpx.AsyncClient, user_id: UUID, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/events", json={"userId": str(user_id)} | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_one_off_at_night_waits_and_ignoring_one_does_not(scenario: Scenario, editor: httpx.AsyncClient) -> None:
    await scenario.at("2026-10-05T07:00Z")
    user = scenario.user(send_window=MORNING)
    await scenario.receive(user)
    waits = await _one_off(editor, user.user_id, at="now")
    assert waits["targetTimestampLocal"] == "2026-10-05T10:00:00-04:00"
    assert waits["originalTargetTimestampUTC"] == "2026-10-05T07:00:00Z"
    urgent = await _one_off(editor, user.user_id, at="now", ignoreSendWindow=True)
    assert (urgent["targetTimestampUTC"], urgent["ignoreSendWindow"]) == ("2026-10-05T07:00:00Z", True)


async def test_rescheduled_event_keeps_to_the_window_and_follows_its_change(
    scenario: Scenario, editor: httpx.AsyncClient
) -> None:
    await scenario.at("2026-10-05T14:00Z")
    user = scenario.user(send_window=MORNING)
    await scenario.receive(user)
    event = await _one_off(editor, user.user_id, at="2026-10-06T11:00")
    answer = await editor.post(f"/v1/events/{event['id']}/reschedule", json={"at": "2026-10-07T23:00"})
    assert answer.json()["targetTimestampLocal"] == "2026-10-08T10:00:00-04:00"
    assert answer.json()["originalTargetTimestampUTC"] == "2026-10-08T03:00:00Z"
    await scenario.receive(scenario.user(user.user_id, 2))
    shown = (await editor.get(f"/v1/events/{event['id']}")).json()
    assert (shown["targetTimestampUTC"], shown["originalTargetTimestampUTC"]) == ("2026-10-08T03:00:00Z", None)


# -- broadcasts -------------------------------------------------------------------------------------------------------


async def _broadcast(scenario: Scenario, client: httpx.AsyncClient, **fields: Any) -> UUID:
    body = {"audience": {"all": True}, "message": "News"} | fields
    answer = await client.post("/v1/broadcasts", json=body)
    assert answer.status_code == 201, answer.text
    runtime = scenario.runtime
    partitions = Partitions(runtime.database, runtime.clock)
    work = Broadcaster(runtime.database, runtime.outbox, scenario.rules, partitions, chunk=100)
    while await work.step() == 0.0:
        pass
    return UUID(answer.json()["id"])


async def test_broadcast_at_an_instant_waits_at_night_and_its_preview_shows_it(
    scenario: Scenario, editor: httpx.AsyncClient
) -> None:
    await scenario.at("2026-10-05T12:00Z")
    awake = scenario.user(timezone="Europe/Paris")
    asleep = scenario.user(timezone="Asia/Tokyo")
    own = scenario.user(timezone="Europe/Paris", send_window=MORNING)
    for user in (awake, asleep, own):
        await scenario.receive(user)
    fields: dict[str, Any] = {"at": "2026-10-05T13:00:00Z", "sendWindow": DAYTIME}
    preview = await editor.post("/v1/broadcasts/preview", json={"audience": {"all": True}, **fields})
    assert preview.status_code == 200, preview.text
    rows = [(row["timezone"], row["firstTimestampUTC"], row["policies"]) for row in preview.json()["items"]]
    assert rows == [
        ("Europe/Paris", "2026-10-05T13:00:00Z", []),
        ("Asia/Tokyo", "2026-10-05T23:00:00Z", ["SEND_WINDOW"]),
        ("Europe/Paris", "2026-10-06T08:00:00Z", ["SEND_WINDOW"]),
    ]
    id = await _broadcast(scenario, editor, **fields)
    made = await scenario.rows("SELECT * FROM events WHERE broadcast_id = :id", id=id)
    targets = {event.user_id: (event.target_timestamp_utc, event.planned_at) for event in made}
    at = datetime(2026, 10, 5, 13, tzinfo=UTC)
    assert targets == {
        awake.user_id: (at, None),
        asleep.user_id: (datetime(2026, 10, 5, 23, tzinfo=UTC), at),
        own.user_id: (datetime(2026, 10, 6, 8, tzinfo=UTC), at),
    }
    assert {event.grace_until for event in made} == {at + timedelta(hours=24)}
    # A user who removes the window gets it at once, and for one who changes zone it is planned again.
    await scenario.receive(scenario.user(own.user_id, 2, timezone="Europe/Paris"))
    [event] = [each for each in await scenario.events(own.user_id) if each.broadcast_id == id]
    assert (event.target_timestamp_utc, event.planned_at) == (at, None)


async def test_broadcast_is_spread_by_sql_as_by_the_rules(scenario: Scenario, editor: httpx.AsyncClient) -> None:
    await scenario.at("2026-10-05T12:00Z")
    users = [scenario.user(timezone="Europe/Paris") for _ in range(30)]
    for user in users:
        await scenario.receive(user)
    fields = {"at": "2026-10-06T09:00", "spreadSeconds": 600, "sendWindow": DAYTIME}
    preview = (await editor.post("/v1/broadcasts/preview", json={"audience": {"all": True}, **fields})).json()
    assert preview["items"] == [
        {
            "timezone": "Europe/Paris",
            "recipients": 30,
            "targetTimestampUTC": "2026-10-06T07:00:00Z",
            "firstTimestampUTC": "2026-10-06T07:00:00Z",
            "lastTimestampUTC": "2026-10-06T07:09:59Z",
            "policies": ["SPREAD"],
        }
    ]
    id = await _broadcast(scenario, editor, **fields)
    made = await scenario.rows("SELECT * FROM events WHERE broadcast_id = :id", id=id)
    at = datetime(2026, 10, 6, 7, tzinfo=UTC)
    for event in made:
        expected = at + offset(share_of(event.id), timedelta(seconds=600))
        assert event.target_timestamp_utc == expected
        assert event.grace_until == expected + timedelta(hours=24)
    assert len({event.target_timestamp_utc for event in made}) > 20
    # A user who changes zone keeps the same share of the spread, at the same local time.
    moved = made[0]
    await scenario.receive(scenario.user(moved.user_id, 2, timezone="Europe/London"))
    [event] = [each for each in await scenario.events(moved.user_id) if each.broadcast_id == id]
    assert event.target_timestamp_utc == moved.target_timestamp_utc + timedelta(hours=1)
    await scenario.receive(scenario.user(moved.user_id, 3, timezone="Europe/Paris", send_window=MORNING))
    [event] = [each for each in await scenario.events(moved.user_id) if each.broadcast_id == id]
    assert event.target_timestamp_utc == moved.target_timestamp_utc + timedelta(hours=1)


# -- spreads and working days of schedules ----------------------------------------------------------------------------


async def test_spread_of_a_schedule_is_its_own_every_day_and_shown(reminders: Reminders) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=DAILY", spreadSeconds=1800)
    later = offset(share_of(UUID(schedule["id"])), timedelta(seconds=1800))
    coming = await reminders.upcoming(schedule, 3)
    for day, each in enumerate(coming):
        expected = _there("2026-10-05T09:00") + timedelta(days=day) + later
        assert datetime.fromisoformat(each["targetTimestampUTC"]) == expected
        assert each["policies"] == ["SPREAD"]
    assert (await _only(reminders, schedule)).target_timestamp_utc == _there("2026-10-05T09:00") + later


async def test_working_day_of_a_schedule_is_kept_shown_and_patched(reminders: Reminders) -> None:
    days = {"country": "US", "subdivision": "NY"}
    schedule = await reminders.create(start="2026-11-01T09:00", rrule="FREQ=MONTHLY", businessDays=days)
    assert schedule["businessDays"] == {**days, "adjust": "next"}
    coming = await reminders.upcoming(schedule, 3)
    assert [each["targetTimestampLocal"][:10] for each in coming] == ["2026-11-02", "2026-12-01", "2027-01-04"]
    assert coming[0]["policies"] == ["NEXT_BUSINESS_DAY"]
    changed = await reminders.change(schedule, businessDays={**days, "adjust": "skip"})
    assert changed["nextAtLocal"][:10] == "2026-12-01"
    assert (await reminders.change(schedule, businessDays=None))["nextAtLocal"][:10] == "2026-11-01"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"businessDays": {"country": "XX"}}, "businessDays.country"),
        ({"businessDays": {"country": "DE", "subdivision": "ZZ"}}, "businessDays.subdivision"),
        ({"businessDays": {"country": "DE"}, "rrule": "FREQ=HOURLY"}, "businessDays.adjust"),
        ({"businessDays": {"country": "DE"}, "rrule": "FREQ=DAILY;BYHOUR=9,12"}, "businessDays.adjust"),
        ({"spreadSeconds": 86_401}, "spreadSeconds"),
        ({"sendWindow": [{"days": ["MO"], "from": "8", "until": "20:00"}]}, "sendWindow.0.from"),
        ({"messages": {"xx": "Hi"}}, "messages"),
        ({"messages": {"de": "Hallo {nobody}"}}, "messages"),
    ],
    ids=["country", "part", "hourly", "twice-a-day", "long-spread", "window", "unknown-locale", "placeholder"],
)
async def test_impossible_setting_is_refused_by_field(reminders: Reminders, fields: dict[str, Any], field: str) -> None:
    answer = await reminders.post(**fields)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# -- languages --------------------------------------------------------------------------------------------------------


async def test_message_is_in_the_language_of_the_user_and_follows_its_change(reminders: Reminders) -> None:
    scenario = reminders.scenario
    messages = {"de": "{first_name}, denk an: {label}", "de-AT": "Servus {first_name}: {label}"}
    schedule = await reminders.create(messages=messages)

    async def said() -> str:
        payload = (await _only(reminders, schedule)).payload
        return str((json.loads(payload) if isinstance(payload, str) else payload)["message"])

    assert await said() == "Ada: Pills"
    await scenario.receive(scenario.user(reminders.user_id, 2, locale="de-CH"))
    assert await said() == "Ada, denk an: Pills"
    await scenario.receive(scenario.user(reminders.user_id, 3, locale="de-AT"))
    assert await said() == "Servus Ada: Pills"
    await scenario.receive(scenario.user(reminders.user_id, 4, locale="fr"))
    assert await said() == "Ada: Pills"


async def test_broadcast_is_in_the_language_of_each(scenario: Scenario, editor: httpx.AsyncClient) -> None:
    await scenario.at("2026-10-05T12:00Z")
    users = {locale: scenario.user(locale=locale) for locale in ("de-AT", "fr", None)}
    for user in users.values():
        await scenario.receive(user)
    id = await _broadcast(scenario, editor, at="now", message="Hi {first_name}", messages={"de": "Hallo {first_name}"})
    rows = await scenario.rows("SELECT user_id, payload FROM events WHERE broadcast_id = :id", id=id)
    said = {row.user_id: row.payload["message"] for row in rows}
    assert said == {
        users["de-AT"].user_id: "Hallo Ada",
        users["fr"].user_id: "Hi Ada",
        users[None].user_id: "Hi Ada",
    }
