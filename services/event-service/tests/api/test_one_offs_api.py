"""Events that are asked for alone, one or a batch, over HTTP."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from event_scenario import Scenario
from uuid_utils.compat import uuid7

from contracts.messages.user import UserItem
from contracts.vocabulary import Priority
from testkit.refusals import TOO_MANY, long_list, refused_cheaply, unknown_fields


@pytest.fixture
async def ada(scenario: Scenario) -> UserItem:
    """In New York, at ten in UTC on 20 January 2027, with her birthday's event out of the way."""
    await scenario.at("2027-01-20T10:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return user


async def _create(api: httpx.AsyncClient, user: UserItem, at: str, **more: Any) -> dict[str, Any]:
    answer = await api.post("/v1/events", json={"userId": str(user.user_id), "at": at, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/events/{body['id']}"
    return body


def _faults(answer: httpx.Response, status: int = 422) -> list[tuple[str, str]]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    return [(error["field"], error["detail"]) for error in answer.json()["errors"]]


async def _alone(scenario: Scenario) -> list[Any]:
    return await scenario.rows("SELECT * FROM events WHERE schedule_id IS NULL ORDER BY target_timestamp_utc")


@pytest.mark.parametrize("at", ["2027-01-31t12:00:00z", "2027-01-31T12:00:00z", "2027-01-31T12:00:00.0000000Z"])
async def test_an_instant_in_any_form_of_rfc_3339_is_accepted(
    editor: httpx.AsyncClient, ada: UserItem, at: str
) -> None:
    assert (await _create(editor, ada, at))["targetTimestampUTC"] == "2027-01-31T12:00:00Z"


async def test_an_event_at_a_local_time_is_one_of_the_users_zone(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    body = await _create(editor, ada, "2027-01-31T09:00", payload={"offer": 7})
    assert UUID(body["id"]).version == 8
    assert body == body | {
        "eventType": "NOTIFICATION",
        "status": "PENDING",
        "priority": "LOW",
        "userId": str(ada.user_id),
        "scheduleId": None,
        "occurrence": "2027-01-31T09:00:00",
        "targetTimestampUTC": "2027-01-31T14:00:00Z",
        "targetTimestampLocal": "2027-01-31T09:00:00-05:00",
        "localTime": "2027-01-31T09:00:00",
        "followsUser": True,
        "graceUntil": "2027-02-01T14:00:00Z",
        "expiresAt": "2027-02-01T14:00:00Z",
        "payload": {"offer": 7, "message": "Hey, Ada Lovelace there is something new"},
    }
    [(type, item)] = await scenario.announced()
    assert type == "EventScheduled"
    assert (item["eventId"], item["scheduleId"], item["broadcastId"]) == (body["id"], None, None)


async def test_an_event_in_a_zone_of_its_own_stays_there(editor: httpx.AsyncClient, ada: UserItem) -> None:
    body = await _create(editor, ada, "2027-01-31T09:00:30", timezone="Asia/Tokyo")
    assert (body["targetTimestampUTC"], body["followsUser"]) == ("2027-01-31T00:00:30Z", False)


async def test_an_event_at_an_instant_or_now_has_no_local_time(editor: httpx.AsyncClient, ada: UserItem) -> None:
    for at, target in [
        ("2027-01-31T09:00:00.250+01:00", "2027-01-31T08:00:00.250000Z"),
        ("now", "2027-01-20T10:00:00Z"),
    ]:
        body = await _create(editor, ada, at)
        assert (body["targetTimestampUTC"], body["localTime"], body["followsUser"]) == (target, None, False)
        assert body["occurrence"] == target
        assert body["targetTimezone"] == "America/New_York"


async def test_event_for_now_or_the_recent_past_fires_at_once(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    now = await _create(editor, ada, "now")
    passed = await _create(editor, ada, "2027-01-19T10:00:01Z")
    assert await scenario.fire(Priority.LOW) == 2
    assert {str(event.id) for event in scenario.bus.published} == {now["id"], passed["id"]}


async def test_terms_can_be_given(editor: httpx.AsyncClient, ada: UserItem) -> None:
    body = await _create(
        editor, ada, "2027-03-14T02:30", eventType="REMINDER", priority="HIGH", label="{rent}",
        message="{first_name}, {label}!", graceSeconds=60, expirySeconds=3600,
    )  # fmt: skip
    assert body["payload"] == {"message": "Ada, {rent}!"}
    assert (body["eventType"], body["priority"]) == ("REMINDER", "HIGH")
    # Half past two is skipped that night: it moves by the gap.
    assert body["targetTimestampUTC"] == "2027-03-14T07:30:00Z"
    assert (body["graceUntil"], body["expiresAt"]) == ("2027-03-14T07:31:00Z", "2027-03-14T08:30:00Z")
    second = await _create(editor, ada, "2027-11-07T01:30", overlap="second")
    assert second["targetTimestampUTC"] == "2027-11-07T06:30:00Z"


async def test_it_follows_its_user_to_another_zone_and_name_with_its_own_policies(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    moving = await _create(editor, ada, "2027-11-07T01:30", message="{first_name}!", overlap="second")
    fixed = await _create(editor, ada, "2027-11-07T01:30", timezone="UTC")
    labelled = await _create(editor, ada, "2027-12-01T01:30", eventType="REMINDER", label="{x}")
    await scenario.receive(scenario.user(ada.user_id, 2, first_name="Augusta", timezone="America/Chicago"))
    after = {
        each: (await editor.get(f"/v1/events/{each}")).json() for each in (moving["id"], fixed["id"], labelled["id"])
    }
    assert [after[each["id"]]["targetTimestampUTC"] for each in (moving, fixed)] == [
        "2027-11-07T07:30:00Z",
        "2027-11-07T01:30:00Z",
    ]
    assert after[moving["id"]]["payload"] == {"message": "Augusta!"}
    assert after[labelled["id"]]["payload"] == {"message": "Augusta: {x}"}
    await scenario.delete(ada.user_id, 3)
    assert [each.status for each in await _alone(scenario)] == ["CANCELLED"] * 3


async def test_a_repeated_request_with_a_key_gives_the_event_that_is_there(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    request: dict[str, Any] = {"json": {"userId": str(ada.user_id), "at": "now"}, "headers": {"Idempotency-Key": "a"}}
    first = await editor.post("/v1/events", **request)
    await scenario.at("2027-01-20T10:00:01Z")
    again = await editor.post("/v1/events", **request)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await _alone(scenario)) == 1
    assert await scenario.announced_types() == ["EventScheduled"]
    other = request | {"json": {"userId": str(ada.user_id), "at": "2027-01-21T00:00Z"}}
    assert _faults(await editor.post("/v1/events", **other))[0][0] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"userId": "ada"}, "userId", "valid UUID"),
        ({"at": None}, "at", "must be `now`, an instant"),
        ({"at": "tomorrow"}, "at", "must be `now`, an instant"),
        ({"at": "2027-02-30T09:00"}, "at", "no such time"),
        ({"at": "2027-02-30T09:00Z"}, "at", "no such instant"),
        ({"at": "9999-12-31T23:59-12:00"}, "at", "no such instant"),
        ({"at": "2027-01-19T10:00:00Z"}, "at", "has passed, and its grace of 86400 s as well"),
        ({"at": "2027-01-19T05:00"}, "at", "2027-01-19T10:00:00Z has passed"),
        ({"at": "0001-01-01T00:00"}, "at", "has passed long ago"),
        ({"at": "2028-02-28T00:00Z"}, "at", "at most 13 months ahead"),
        ({"at": "9999-12-31T23:59"}, "at", "at most 13 months ahead"),
        ({"at": "2027-03-14T02:30", "gap": "skip"}, "at", "there is no 2027-03-14T02:30:00 in America/New_York"),
        ({"timezone": "UTC"}, "timezone", "goes with a local time only"),
        ({"at": "2027-01-31T09:00", "timezone": "Mars/Base"}, "timezone", "not a zone"),
        ({"eventType": "BIRTHDAY"}, "eventType", "NOTIFICATION"),
        ({"eventType": "REMINDER", "priority": "LOW"}, "priority", "REMINDER is NORMAL or more urgent"),
        ({"eventType": "REMINDER"}, "label", "the message names one"),
        ({"message": "{ordinal}"}, "message", "unknown placeholder {ordinal}"),
        ({"message": "a\x01"}, "message", "control characters"),
        ({"payload": {"message": "mine"}}, "payload", "set by Almanac"),
        ({"payload": {"a": "\x00"}}, "payload.a", "U+0000"),
        ({"graceSeconds": 0}, "graceSeconds", "greater than or equal to 1"),
        ({"graceSeconds": 14 * 86_400 + 1}, "graceSeconds", "less than or equal to 1209600"),
        ({"expirySeconds": 60}, "expirySeconds", "must be at least graceSeconds (86400)"),
        ({"urgency": 1}, "urgency", "not permitted"),
    ],
)
async def test_invalid_event_is_refused_with_field_and_rule_and_changes_nothing(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem, change: dict[str, Any], field: str, rule: str
) -> None:
    [(named, told)] = _faults(await editor.post("/v1/events", json={"userId": str(ada.user_id), "at": "now"} | change))
    assert named == field
    assert rule in told
    assert await _alone(scenario) == []
    assert await scenario.announced() == []


async def test_event_for_an_unknown_user_is_not_found(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    await scenario.delete(ada.user_id)
    for user_id in (uuid7(), ada.user_id):
        [(field, rule)] = _faults(await editor.post("/v1/events", json={"userId": str(user_id), "at": "now"}), 404)
        assert (field, f"no user {user_id}" in rule) == ("userId", True)


@pytest.mark.parametrize(
    "path", ["", "/batch", f"/{UUID(int=7)}/cancel", f"/{UUID(int=7)}/reschedule", f"/{UUID(int=7)}/retry"]
)
async def test_read_only_key_changes_nothing(api: httpx.AsyncClient, path: str) -> None:
    assert _faults(await api.post(f"/v1/events{path}", json={}), 403)[0][0] == "Authorization"


# -- batches ----------------------------------------------------------------------------------------------------------


async def test_a_batch_is_made_in_its_order_with_an_id_for_each(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    other = scenario.user(timezone="Asia/Tokyo")
    await scenario.receive(other)
    await scenario.announced()
    items = [
        {"userId": str(user.user_id), "at": "2027-01-31T09:00", "message": f"{number}"}
        for number in range(50)
        for user in (ada, other)
    ]
    request: dict[str, Any] = {"json": {"items": items}, "headers": {"Idempotency-Key": "b"}}
    answer = await editor.post("/v1/events/batch", **request)
    assert answer.status_code == 201
    made = answer.json()["items"]
    assert [each["payload"]["message"] for each in made] == [item["message"] for item in items]
    assert [each["targetTimestampUTC"][8:13] for each in made[:2]] == ["31T14", "31T00"]
    assert len({each["id"] for each in made}) == 100
    assert await scenario.announced_types() == ["EventScheduled"] * 100
    assert (await editor.post("/v1/events/batch", **request)).json()["items"] == made
    assert len(await _alone(scenario)) == 100


async def test_one_bad_item_refuses_a_batch_and_each_is_named(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    good, nobody = {"userId": str(ada.user_id), "at": "now"}, str(uuid7())
    answer = await editor.post(
        "/v1/events/batch",
        json={
            "items": [good, good | {"userId": nobody}, good | {"at": "2027-01-01T00:00Z"}, good | {"message": "{x}"}]
        },
    )
    faults = _faults(answer)
    assert [field for field, _ in faults] == ["items.1.userId", "items.2.at", "items.3.message"]
    assert nobody in faults[0][1]
    malformed = await editor.post("/v1/events/batch", json={"items": [good, good | {"at": "later"}]})
    assert [field for field, _ in _faults(malformed)] == ["items.1.at"]
    assert await _alone(scenario) == []
    assert await scenario.announced() == []


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_one_to_a_thousand_items(editor: httpx.AsyncClient, ada: UserItem, count: int) -> None:
    items = [{"userId": str(ada.user_id), "at": "now"}] * count
    [(field, rule)] = _faults(await editor.post("/v1/events/batch", json={"items": items}))
    assert (field, " 1 " in rule or "1000" in rule) == ("items", True)


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (f'{{"items":{long_list("0", TOO_MANY)}}}', ["body"]),
        (f'{{"items":{long_list("0", 15_000)}}}', ["items"]),
        (f'{{"items":{long_list(unknown_fields(15), 1000)}}}', [f"items.0.{name}" for name in ("at", "userId")]),
        (f'{{"items":[{unknown_fields(15_000)}]}}', ["items.0"]),
        (unknown_fields(), ["body"]),
        (unknown_fields(15_000), ["body"]),
    ],
    ids=["many-values", "many-items", "items-with-unknown-fields", "one-such-item", "many-fields", "unknown-fields"],
)
async def test_a_batch_with_any_number_of_faults_is_refused_cheaply(
    editor: httpx.AsyncClient, scenario: Scenario, content: str, fields: list[str]
) -> None:
    before = await _alone(scenario)
    faults = await refused_cheaply(editor, "POST", "/v1/events/batch", content)
    assert [each["field"] for each in faults][: len(fields)] == fields
    assert await _alone(scenario) == before
