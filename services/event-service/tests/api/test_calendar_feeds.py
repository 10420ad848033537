"""Calendar feeds: their tokens, and calendars that show the instants of `upcoming`."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from event_scenario import Scenario
from icalendar import Calendar
from reminders import Reminders

from chassis.messaging.erasures import Eraser
from chassis.service.runtime import Runtime
from contracts.identity import derive_id
from contracts.messages.spec import MessageType
from contracts.messages.user import Anniversary
from contracts.vocabulary import Priority
from event_service.application.erasures import erase
from event_service.domain.calendar_feeds import MAX_ENTRIES
from event_service.main import SERVICE
from event_service.settings import Settings

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
DAYTIME = [{"days": DAYS, "from": "08:00", "until": "20:00"}]


@pytest.fixture
async def stranger(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """A calendar program, without an API key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(SERVICE.app(runtime)), base_url="http://test") as client:
        yield client


async def _create(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/calendar-feeds", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _read(stranger: httpx.AsyncClient, feed: dict[str, Any]) -> list[Any]:
    answer = await stranger.get(feed["url"])
    assert answer.status_code == 200, answer.text
    calendar = Calendar.from_ical(answer.content)
    assert calendar.errors == []
    events = list(calendar.events)
    assert all(each.errors == [] for each in events)
    return events


def _instants(events: list[Any]) -> list[datetime]:
    return [each.DTSTART for each in events]


async def _upcoming(client: httpx.AsyncClient, schedule_id: str, until: datetime, count: int = 100) -> list[datetime]:
    answer = await client.get(f"/v1/schedules/{schedule_id}/upcoming", params={"count": count})
    shown = [datetime.fromisoformat(each["targetTimestampUTC"]) for each in answer.json()["items"]]
    return [each for each in shown if each < until]


async def _schedule_ids(client: httpx.AsyncClient, user_id: UUID) -> list[str]:
    listed = await client.get("/v1/schedules", params={"userId": str(user_id), "limit": 200})
    return [each["id"] for each in listed.json()["items"]]


# -- what is shown ----------------------------------------------------------------------------------------------------


async def test_calendar_of_a_user_has_the_instants_of_upcoming_over_a_clock_change(
    scenario: Scenario, editor: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    now = await scenario.at("2026-10-30T00:00Z")  # New York's clocks go back on 1 November
    anniversaries = [
        Anniversary(anniversary_id=uuid4(), label=label, date=day, important=False)
        for label, day in (("Wedding", date(2015, 12, 24)), ("Job", date(2020, 2, 29)))
    ]
    user = scenario.user(anniversaries=anniversaries)
    await scenario.receive(user)
    reminders = Reminders(scenario, editor, user.user_id)
    await reminders.create(start="2026-10-30T06:30", rrule="FREQ=DAILY;COUNT=40", sendWindow=DAYTIME, label="Pills")
    await reminders.create(start="2026-10-31T01:30", rrule="FREQ=DAILY;COUNT=4", label="Night")

    events = await _read(stranger, await _create(editor, userId=str(user.user_id)))
    ids = await _schedule_ids(editor, user.user_id)
    assert len(ids) == 5
    until = now + timedelta(days=366)
    expected = [each for id in ids for each in await _upcoming(editor, id, until)]
    assert _instants(events) == sorted(expected)
    assert len(events) == 40 + 4 + 3
    pills = [each.DTSTART for each in events if str(each["summary"]) == "Pills"]
    assert pills[1:3] == [datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 11, 1, 13, tzinfo=UTC)]
    assert all(each["dtstamp"].dt == now for each in events)


async def test_entry_is_identified_by_its_event_and_says_message_and_label_alone(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=WEEKLY;COUNT=3", label="Pills; two, please")
    feed = await _create(reminders.client, scheduleId=schedule["id"], name="Ada's pills")
    first, second, third = await _read(stranger, feed)
    [event] = await reminders.events(schedule)
    assert str(first["uid"]) == f"{event.id}@almanac"
    assert str(second["uid"]) == f"{derive_id(UUID(schedule['id']), '2026-10-12T09:00:00')}@almanac"
    assert (str(third["summary"]), str(third["description"])) == ("Pills; two, please", "Ada: Pills; two, please")
    text = (await stranger.get(feed["url"])).text
    assert "ada@example.org" not in text
    assert str(reminders.user_id) not in text
    assert "X-WR-CALNAME:Ada's pills\r\n" in text
    assert [str(each["uid"]) for each in await _read(stranger, feed)] == [
        str(each["uid"]) for each in (first, second, third)
    ]


async def test_moved_occurrence_keeps_its_identity_at_its_new_time(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=DAILY;COUNT=4")
    feed = await _create(reminders.client, scheduleId=schedule["id"])
    before = await _read(stranger, feed)
    moved = await reminders.client.post(
        f"/v1/events/{schedule['liveEventId']}/reschedule", json={"at": "2026-10-07T18:00:00Z"}
    )
    assert moved.status_code == 200, moved.text
    after = await _read(stranger, feed)
    assert _instants(after) == await _upcoming(reminders.client, schedule["id"], datetime.max.replace(tzinfo=UTC))
    assert datetime(2026, 10, 7, 18, tzinfo=UTC) in _instants(after)
    assert {str(each["uid"]) for each in after} == {str(each["uid"]) for each in before}


async def test_occurrence_that_its_window_lets_miss_is_shown_as_cancelled(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    schedule = await reminders.create(start="2026-10-05T03:00", sendWindow=DAYTIME, graceSeconds=3600)
    [entry] = await _read(stranger, await _create(reminders.client, scheduleId=schedule["id"]))
    assert str(entry["status"]) == "CANCELLED"


async def test_calendar_of_a_user_has_events_without_a_schedule(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    body = {"userId": str(reminders.user_id), "at": "2026-10-06T10:00:00Z", "message": "Your parcel"}
    made = (await reminders.client.post("/v1/events", json=body)).json()
    events = await _read(stranger, await _create(reminders.client, userId=str(reminders.user_id)))
    assert (str(events[0]["uid"]), str(events[0]["summary"])) == (f"{made['id']}@almanac", "Your parcel")
    cancelled = await reminders.client.post(f"/v1/events/{made['id']}/cancel")
    assert cancelled.status_code == 200
    events = await _read(stranger, await _create(reminders.client, userId=str(reminders.user_id)))
    assert [str(each["categories"].cats[0]) for each in events] == ["BIRTHDAY"]


async def test_calendar_of_a_tag_has_all_its_users_and_no_others(
    scenario: Scenario, editor: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await scenario.at("2026-10-01T00:00Z")
    ada, grace, other = (
        scenario.user(first_name=name, tags=tags)
        for name, tags in (("Ada", ["vip", "team"]), ("Grace", ["team"]), ("Alan", ["vip"]))
    )
    await scenario.receive(ada, grace, other)
    events = await _read(stranger, await _create(editor, tag="team"))
    assert sorted(str(each["summary"]) for each in events) == [
        f"Hey, {name} Lovelace it's your birthday" for name in ("Ada", "Grace")
    ]


async def test_paused_schedule_has_no_entries(reminders: Reminders, stranger: httpx.AsyncClient) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=DAILY")
    feed = await _create(reminders.client, scheduleId=schedule["id"])
    await reminders.do("pause", schedule)
    assert await _read(stranger, feed) == []
    await reminders.do("resume", schedule)
    assert len(await _read(stranger, feed)) == 362  # until a year of 366 days from 1 October has passed


async def test_hourly_schedule_is_cut_at_a_thousand_entries(reminders: Reminders, stranger: httpx.AsyncClient) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=HOURLY")
    events = await _read(stranger, await _create(reminders.client, scheduleId=schedule["id"]))
    assert len(events) == MAX_ENTRIES
    # An hour comes twice meanwhile, and counts once.
    assert _instants(events)[-1] == datetime(2026, 10, 5, 13, tzinfo=UTC) + timedelta(hours=MAX_ENTRIES)
    assert _instants(events)[:100] == await _upcoming(
        reminders.client, schedule["id"], datetime.max.replace(tzinfo=UTC)
    )


# -- tokens -----------------------------------------------------------------------------------------------------------


async def test_calendar_is_private_and_of_type_text_calendar(reminders: Reminders, stranger: httpx.AsyncClient) -> None:
    feed = await _create(reminders.client, userId=str(reminders.user_id))
    answer = await stranger.get(feed["url"])
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"].split(", ")[0] == "private"


async def test_token_is_stored_as_a_hash_and_shown_once(reminders: Reminders) -> None:
    feed = await _create(reminders.client, tag="vip", name="VIPs")
    [token] = parse_qs(urlsplit(feed["url"]).query)["token"]
    [row] = await reminders.scenario.rows("SELECT * FROM calendar_feeds")
    assert row.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)
    listed = await reminders.client.get("/v1/calendar-feeds")
    assert token not in listed.text
    assert listed.json()["items"] == [{name: value for name, value in feed.items() if name != "url"}]


async def test_unknown_and_revoked_tokens_get_the_same_404(reminders: Reminders, stranger: httpx.AsyncClient) -> None:
    feed = await _create(reminders.client, userId=str(reminders.user_id))
    assert (await reminders.client.delete(f"/v1/calendar-feeds/{feed['id']}")).status_code == 204
    revoked = await stranger.get(feed["url"])
    unknown = await stranger.get("/v1/calendar.ics", params={"token": "x" * 43})
    assert (revoked.status_code, unknown.status_code) == (404, 404)
    told = [{**answer.json(), "traceId": None} for answer in (revoked, unknown)]  # a trace is of its request
    assert told[0] == told[1]
    assert (await reminders.client.get("/v1/calendar-feeds")).json()["items"] == []
    assert (await reminders.client.delete(f"/v1/calendar-feeds/{feed['id']}")).status_code == 404


async def test_calendar_without_a_token_names_the_parameter(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/v1/calendar.ics")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "token")


async def test_feeds_are_listed_newest_first_by_cursor(reminders: Reminders) -> None:
    made = [(await _create(reminders.client, tag=f"team-{number}"))["id"] for number in range(3)]
    first = (await reminders.client.get("/v1/calendar-feeds", params={"limit": 2})).json()
    rest = (await reminders.client.get("/v1/calendar-feeds", params={"cursor": first["nextCursor"]})).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert rest["nextCursor"] is None


@pytest.mark.parametrize("body", [{}, {"tag": "a", "userId": str(UUID(int=1))}], ids=["none", "two"])
async def test_feed_of_none_or_several_is_refused(editor: httpx.AsyncClient, body: dict[str, str]) -> None:
    answer = await editor.post("/v1/calendar-feeds", json=body)
    assert answer.status_code == 422
    assert "exactly one of userId, scheduleId, tag" in answer.text


@pytest.mark.parametrize("field", ["userId", "scheduleId"])
async def test_feed_of_an_unknown_user_or_schedule_is_a_404(editor: httpx.AsyncClient, field: str) -> None:
    assert (await editor.post("/v1/calendar-feeds", json={field: str(uuid4())})).status_code == 404


async def test_feeds_need_the_scope_write_to_change_and_read_to_list(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/calendar-feeds")).status_code == 200
    assert (await api.post("/v1/calendar-feeds", json={"tag": "vip"})).status_code == 403
    assert (await api.delete(f"/v1/calendar-feeds/{uuid4()}")).status_code == 403


# -- deleted users ----------------------------------------------------------------------------------------------------


async def test_feeds_of_a_deleted_user_are_revoked_and_lose_their_names(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create(start="2026-10-05T09:00")
    feeds = [
        await _create(reminders.client, userId=str(reminders.user_id), name="Ada"),
        await _create(reminders.client, scheduleId=schedule["id"], name="Ada's pills"),
    ]
    of_tag = await _create(reminders.client, tag="vip", name="VIPs")
    assert len(await _read(stranger, of_tag)) == 2
    await scenario.delete(reminders.user_id)
    assert [(await stranger.get(each["url"])).status_code for each in feeds] == [404, 404]
    assert await _read(stranger, of_tag) == []
    names = {row.name for row in await scenario.rows("SELECT name FROM calendar_feeds")}
    assert names == {"", "VIPs"}


async def test_erasure_revokes_a_feed_that_the_deletion_did_not(
    reminders: Reminders, stranger: httpx.AsyncClient
) -> None:
    """The deletion came to a version of the service that knew no feeds."""
    scenario = reminders.scenario
    feed = await _create(reminders.client, userId=str(reminders.user_id), name="Ada")
    await scenario.delete(reminders.user_id)
    await scenario.execute("UPDATE calendar_feeds SET revoked_at = NULL, name = 'Ada'")
    assert await _read(stranger, feed) == []
    runtime = scenario.runtime
    report = MessageType.EVENT_DATA_ERASED
    await Eraser(runtime.database, runtime.outbox, erase, report=report, every_seconds=60).step()
    assert (await stranger.get(feed["url"])).status_code == 404
    [row] = await scenario.rows("SELECT name FROM calendar_feeds")
    assert row.name == ""


async def test_fired_occurrence_leaves_the_calendar(reminders: Reminders, stranger: httpx.AsyncClient) -> None:
    schedule = await reminders.create(start="2026-10-05T09:00", rrule="FREQ=DAILY;COUNT=2")
    feed = await _create(reminders.client, scheduleId=schedule["id"])
    await reminders.scenario.at("2026-10-05T13:00:01Z")
    assert await reminders.scenario.fire(Priority.NORMAL) == 1
    assert _instants(await _read(stranger, feed)) == [datetime(2026, 10, 6, 13, tzinfo=UTC)]
