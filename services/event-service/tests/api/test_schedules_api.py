"""Schedules over HTTP: made, read, listed, previewed and changed."""

from datetime import date
from typing import Any

import httpx
import pytest
from event_scenario import Scenario
from reminders import Reminders
from uuid_utils.compat import uuid7

from contracts.messages.user import Anniversary
from contracts.vocabulary import Priority


async def test_a_new_schedule_is_answered_as_it_is_read(reminders: Reminders) -> None:
    answer = await reminders.post(rrule="FREQ=WEEKLY;BYDAY=MO", payload={"dose": 2}, gap="skip", graceSeconds=60)
    assert answer.status_code == 201
    created = answer.json()
    assert answer.headers["Location"] == f"/v1/schedules/{created['id']}"
    assert answer.headers["ETag"] == '"1"'
    read = await reminders.client.get(answer.headers["Location"])
    assert (read.json(), read.headers["ETag"]) == (created, '"1"')
    for name in ("id", "liveEventId", "createdAt", "updatedAt"):
        assert created.pop(name)
    assert created == {
        "version": 1,
        "userId": str(reminders.user_id),
        "eventType": "REMINDER",
        "source": "api",
        "status": "ACTIVE",
        "priority": "NORMAL",
        "label": "Pills",
        "rule": {
            "kind": "RRULE",
            "startLocal": "2026-10-05T09:00:00",
            "rrule": "FREQ=WEEKLY;BYDAY=MO",
            "exdates": [],
            "rdates": [],
        },
        "localTime": "09:00:00",
        "timezone": "America/New_York",
        "followsUser": True,
        "gap": "skip",
        "overlap": None,
        "leapDay": None,
        "catchUp": None,
        "graceSeconds": 60,
        "expirySeconds": None,
        "message": None,
        "messages": {},
        "sendWindow": None,
        "userSendWindow": None,
        "ignoreSendWindow": False,
        "businessDays": None,
        "spreadSeconds": 0,
        "payload": {"dose": 2},
        "lastOccurrence": None,
        "nextAt": "2026-10-05T13:00:00Z",
        "nextAtLocal": "2026-10-05T09:00:00-04:00",
    }


@pytest.mark.parametrize(
    ("fields", "priority"),
    [({}, "NORMAL"), ({"urgent": True}, "HIGH"), ({"priority": "CRITICAL"}, "CRITICAL"),
     ({"priority": "NORMAL", "urgent": True}, "HIGH"), ({"priority": "CRITICAL", "urgent": True}, "CRITICAL")],
)  # fmt: skip
async def test_a_request_may_raise_the_priority(reminders: Reminders, fields: dict[str, Any], priority: str) -> None:
    assert (await reminders.create(**fields))["priority"] == priority


async def test_an_idempotency_key_makes_one_schedule(reminders: Reminders) -> None:
    body = {
        "userId": str(reminders.user_id),
        "label": "Pills",
        "rule": {"kind": "ONCE", "startLocal": "2026-10-05T09:00"},
    }
    headers = {"Idempotency-Key": "once"}
    first, second = [await reminders.client.post("/v1/schedules", json=body, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert len(await reminders.scenario.rows("SELECT 1 FROM events WHERE event_type = 'REMINDER'")) == 1
    other = await reminders.client.post("/v1/schedules", json={**body, "label": "Other"}, headers=headers)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    await reminders.client.delete(first.headers["Location"])
    gone = await reminders.client.post("/v1/schedules", json=body, headers=headers)
    assert gone.status_code == 404


async def test_lists_are_newest_first_filtered_and_paged(reminders: Reminders) -> None:
    scenario, client = reminders.scenario, reminders.client
    made = [(await reminders.create(label=f"No {number}"))["id"] for number in range(5)]
    await reminders.do("pause", {"id": made[0]})
    await scenario.receive(scenario.user())

    async def listed(**filters: Any) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await client.get("/v1/schedules", params={**filters, **cursor, "limit": 2})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [each["id"] for each in page["items"]]
            if page["nextCursor"] is None:
                return found
            cursor = {"cursor": page["nextCursor"]}

    assert await listed(eventType="REMINDER") == made[::-1]
    assert await listed(eventType="REMINDER", status="ACTIVE") == made[:0:-1]
    assert await listed(status="PAUSED") == made[:1]
    assert len(await listed()) == 7
    assert len(await listed(eventType="BIRTHDAY")) == 2
    assert (await listed(userId=reminders.user_id))[:5] == made[::-1]
    assert len(await listed(userId=reminders.user_id)) == 6
    assert await listed(userId=uuid7()) == []


async def test_preview_has_local_and_utc_times_and_applied_policies(reminders: Reminders) -> None:
    client = reminders.client
    schedule = await reminders.create(start="2027-03-13T02:30", rrule="FREQ=DAILY;COUNT=3", timezone="America/New_York")
    answer = await client.get(f"/v1/schedules/{schedule['id']}/upcoming")
    assert answer.json()["timezone"] == "America/New_York"
    assert answer.json()["items"] == [
        {
            "occurrence": "2027-03-13T02:30:00",
            "targetTimestampUTC": "2027-03-13T07:30:00Z",
            "targetTimestampLocal": "2027-03-13T02:30:00-05:00",
            "wall": "2027-03-13T02:30:00",
            "policies": [],
            "rescheduled": False,
            "originalTargetTimestampUTC": None,
            "standsFor": 0,
        },
        {
            "occurrence": "2027-03-14T02:30:00",
            "targetTimestampUTC": "2027-03-14T07:30:00Z",
            "targetTimestampLocal": "2027-03-14T03:30:00-04:00",
            "wall": "2027-03-14T02:30:00",
            "policies": ["GAP_SHIFTED"],
            "rescheduled": False,
            "originalTargetTimestampUTC": None,
            "standsFor": 0,
        },
        {
            "occurrence": "2027-03-15T02:30:00",
            "targetTimestampUTC": "2027-03-15T06:30:00Z",
            "targetTimestampLocal": "2027-03-15T02:30:00-04:00",
            "wall": "2027-03-15T02:30:00",
            "policies": [],
            "rescheduled": False,
            "originalTargetTimestampUTC": None,
            "standsFor": 0,
        },
    ]
    await reminders.change(schedule, gap="skip")
    assert [each["occurrence"][8:10] for each in await reminders.upcoming(schedule)] == ["13", "15"]
    assert len(await reminders.upcoming(schedule, 1)) == 1


@pytest.mark.parametrize(
    ("at", "coming"),
    [
        # earlier: the rule continues after the occurrence, not after its new time
        ("2026-10-01T12:00", ["01T12", "06T09", "07T09"]),
        # later: a move concerns one occurrence, the others come before it
        ("2026-10-07T12:00", ["06T09", "07T09", "07T12"]),
    ],
)
async def test_a_preview_has_an_occurrence_that_was_moved_where_it_will_be(
    reminders: Reminders, at: str, coming: list[str]
) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    path = f"/v1/events/{schedule['liveEventId']}/reschedule"
    assert (await reminders.client.post(path, json={"at": at, "timezone": "America/New_York"})).status_code == 200
    found = await reminders.upcoming(schedule, 3)
    assert [each["targetTimestampLocal"][8:13] for each in found] == coming
    [moved] = [each for each in found if each["rescheduled"]]
    assert (moved["occurrence"], moved["wall"]) == ("2026-10-05T09:00:00", f"{at}:00")
    assert (await reminders.get(schedule))["nextAt"] == found[0]["targetTimestampUTC"]
    # And so they come.
    scenario = reminders.scenario
    for each in found:
        await scenario.at(each["targetTimestampUTC"])
        assert await scenario.fire(Priority.NORMAL) == 1
        assert scenario.bus.published[-1].occurrence == each["occurrence"]
        await scenario.answer(scenario.outcome(scenario.bus.published[-1]))


async def test_yearly_reminder_uses_its_leap_day_policy(reminders: Reminders) -> None:
    rule = {"kind": "YEARLY", "startLocal": "2024-02-29T09:00"}
    schedule = await reminders.create(rule=rule, leapDay="FORWARD")
    coming = await reminders.upcoming(schedule, 2)
    assert [(each["occurrence"], each["targetTimestampLocal"][:10], each["policies"]) for each in coming] == [
        ("2027", "2027-03-01", ["LEAP_DAY_FORWARD"]),
        ("2028", "2028-02-29", []),
    ]
    await reminders.change(schedule, leapDay="OMIT")
    omitted = await reminders.get(schedule)
    # Sixteen months ahead: it waits in its schedule.
    assert (omitted["nextAt"], omitted["liveEventId"]) == ("2028-02-29T14:00:00Z", None)
    assert await reminders.statuses(schedule) == []


async def test_a_patch_needs_the_version_that_was_read(reminders: Reminders) -> None:
    schedule = await reminders.create()
    path, change = f"/v1/schedules/{schedule['id']}", {"label": "Vitamins"}
    assert (await reminders.client.patch(path, json=change)).status_code == 428
    changed = await reminders.client.patch(path, json=change, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"], changed.json()["label"]) == (200, '"2"', "Vitamins")
    stale = await reminders.client.patch(path, json=change, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["errors"][0]["field"]) == (412, "If-Match")
    for request in (
        reminders.client.delete(path, headers={"If-Match": '"1"'}),
        reminders.client.post(f"{path}/pause", headers={"If-Match": '"1"'}),
        reminders.client.post(f"{path}/resume", headers={"If-Match": '"1"'}),
    ):
        assert (await request).status_code == 412
    same = await reminders.client.patch(path, json=change, headers={"If-Match": "*"})
    assert same.headers["ETag"] == '"2"'
    assert (await reminders.events(schedule))[0].payload["message"] == "Ada: Vitamins"


async def test_a_patch_moves_between_zones_and_back_to_the_users(reminders: Reminders) -> None:
    schedule = await reminders.create()
    fixed = await reminders.change(schedule, timezone="Asia/Tokyo")
    assert (fixed["followsUser"], fixed["nextAt"]) == (False, "2026-10-05T00:00:00Z")
    back = await reminders.change(schedule, timezone=None)
    assert (back["followsUser"], back["timezone"], back["nextAt"]) == (
        True,
        "America/New_York",
        "2026-10-05T13:00:00Z",
    )
    assert back["liveEventId"] == schedule["liveEventId"]


async def test_another_kind_of_rule_starts_without_the_old_fields(reminders: Reminders) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    changed = await reminders.change(schedule, rule={"kind": "ONCE", "startLocal": "2026-10-06T09:00"})
    assert changed["rule"] == {
        "kind": "ONCE",
        "startLocal": "2026-10-06T09:00:00",
        "rrule": None,
        "exdates": [],
        "rdates": [],
    }
    assert [row.occurrence for row in await reminders.events(schedule)] == ["2026-10-06T09:00:00"]


async def test_null_takes_fields_back_to_their_defaults(reminders: Reminders) -> None:
    own = {"message": "Now!", "graceSeconds": 60, "gap": "skip", "priority": "HIGH", "payload": {"a": 1}}
    schedule = await reminders.create(**own)
    changed = await reminders.change(schedule, **dict.fromkeys(own))
    assert [changed[name] for name in own] == [None, None, None, "NORMAL", {}]
    [event] = await reminders.events(schedule)
    assert event.payload == {"message": "Ada: Pills"}


async def test_ended_schedule_continues_with_a_rule_that_has_future_occurrences(reminders: Reminders) -> None:
    scenario = reminders.scenario
    schedule = await reminders.create()
    await reminders.do("pause", schedule)
    await scenario.at("2026-10-06T00:00Z")
    assert (await reminders.do("resume", schedule))["status"] == "ENDED"
    for action in ("pause", "resume"):
        answer = await reminders.client.post(f"/v1/schedules/{schedule['id']}/{action}")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:almanac:problem:schedule-ended")
    assert await reminders.upcoming(schedule) == []
    assert (await reminders.change(schedule, label="Still over"))["status"] == "ENDED"
    changed = await reminders.change(schedule, rule={"startLocal": "2026-10-07T09:00"})
    assert (changed["status"], changed["nextAt"]) == ("ACTIVE", "2026-10-07T13:00:00Z")


async def test_schedules_of_a_users_own_data_are_read_previewed_and_given_policies(reminders: Reminders) -> None:
    scenario, client = reminders.scenario, reminders.client
    wedding = Anniversary(anniversary_id=uuid7(), label="Wedding", date=date(2020, 2, 29), important=True)
    await scenario.receive(scenario.user(reminders.user_id, 2, anniversaries=[wedding]))
    filters = {"userId": str(reminders.user_id), "eventType": "ANNIVERSARY"}
    [shown] = (await client.get("/v1/schedules", params=filters)).json()["items"]
    assert (shown["source"], shown["label"], shown["priority"]) == ("user", "Wedding", "CRITICAL")
    assert shown["rule"]["startLocal"] == "2020-02-29T09:00:00"
    assert [each["policies"] for each in await reminders.upcoming(shown, 2)] == [["LEAP_DAY_BACKWARD"], []]
    changed = await reminders.change(shown, leapDay="FORWARD", message="{ordinal}!", graceSeconds=3600)
    assert changed["nextAtLocal"] == "2027-03-01T09:00:00-05:00"
    # They stay through later changes of the user.
    await scenario.receive(scenario.user(reminders.user_id, 3, anniversaries=[wedding], timezone="UTC"))
    [event] = await reminders.events(shown)
    assert (event.payload["message"], event.target_timestamp_utc.isoformat()) == ("7th!", "2027-03-01T09:00:00+00:00")
    path = f"/v1/schedules/{shown['id']}"
    refused: list[httpx.Response] = [
        await reminders.patch(shown, label="Mine", message="x"),
        await client.post(f"{path}/pause"),
        await client.post(f"{path}/resume"),
        await client.delete(path),
    ]
    assert {answer.status_code for answer in refused} == {409}
    assert {answer.json()["errors"][0]["field"] for answer in refused} == {"label", "scheduleId"}
    assert all("user-service owns this ANNIVERSARY" in answer.json()["detail"] for answer in refused)
    # What the refusal says can be set can be, by these names.
    own = refused[0].json()["detail"].split("(")[1].rstrip(")").split(", ")
    assert "leapDay" in own
    assert (await reminders.patch(shown, **dict.fromkeys(own))).status_code == 200


async def test_reading_and_writing_need_their_scopes(reminders: Reminders, api: httpx.AsyncClient) -> None:
    schedule = await reminders.create()
    path = f"/v1/schedules/{schedule['id']}"
    for read in ("/v1/schedules", path, f"{path}/upcoming"):
        assert (await api.get(read)).status_code == 200
        assert (await api.get(read, headers={"Authorization": "Bearer writer"})).status_code == 403
    for request in (
        api.post("/v1/schedules", json={}),
        api.patch(path, json={"label": "x"}, headers={"If-Match": "*"}),
        api.delete(path),
        api.post(f"{path}/pause"),
        api.post(f"{path}/resume"),
    ):
        assert (await request).status_code == 403


@pytest.mark.parametrize("suffix", ["", "/upcoming"])
async def test_unknown_schedule_is_a_404(scenario: Scenario, editor: httpx.AsyncClient, suffix: str) -> None:
    answer = await editor.get(f"/v1/schedules/{uuid7()}{suffix}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "scheduleId")
    assert await scenario.rows("SELECT 1 FROM schedules") == []
