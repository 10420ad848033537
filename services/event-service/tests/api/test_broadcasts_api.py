"""Broadcasts over HTTP."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from event_scenario import Scenario
from uuid_utils.compat import uuid7

from contracts.vocabulary import Priority
from event_service.adapters.partitions import Partitions
from event_service.application.broadcasts import Broadcaster


@pytest.fixture(autouse=True)
async def people(scenario: Scenario) -> None:
    """Two in New York and one in Tokyo, at noon in UTC on 1 March 2027."""
    await scenario.at("2027-03-01T12:00Z")
    await scenario.receive(scenario.user(), scenario.user(tags=[]), scenario.user(timezone="Asia/Tokyo"))
    await scenario.announced()


async def _work(scenario: Scenario) -> None:
    runtime = scenario.runtime
    partitions = Partitions(runtime.database, runtime.clock)
    broadcaster = Broadcaster(runtime.database, runtime.outbox, scenario.rules, partitions, chunk=1000)
    while await broadcaster.step() == 0.0:
        pass


async def _create(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v1/broadcasts", json={"audience": {"all": True}, "at": "2027-03-14T09:00"} | body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/broadcasts/{created['id']}"
    return created


def _faults(answer: httpx.Response, status: int = 422) -> list[tuple[str, str]]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    return [(error["field"], error["detail"]) for error in answer.json()["errors"]]


async def test_a_broadcast_is_followed_from_its_creation_to_its_last_event(
    editor: httpx.AsyncClient, scenario: Scenario
) -> None:
    created = await _create(
        editor, audience={"tags": ["vip"]}, priority="NORMAL", message="{first_name}!", payload={"a": 1},
        graceSeconds=3600, expirySeconds=7200,
    )  # fmt: skip
    path = f"/v1/broadcasts/{created['id']}"
    assert created == created | {
        "status": "SCHEDULING",
        "audience": {"timezones": None, "tags": ["vip"], "all": None},
        "localTime": "2027-03-14T09:00:00",
        "targetTimestampUTC": None,
        "priority": "NORMAL",
        "message": "{first_name}!",
        "payload": {"a": 1},
        "graceSeconds": 3600,
        "expirySeconds": 7200,
        "recipients": 0,
    }
    await _work(scenario)
    await scenario.at("2027-03-14T00:00Z")
    assert await scenario.fire(Priority.NORMAL) == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    body = (await editor.get(path)).json()
    assert body["events"] == dict.fromkeys(body["events"], 0) | {"PENDING": 1, "COMPLETED": 1}
    assert (body["status"], body["recipients"], body["scheduled"], body["skipped"]) == ("SCHEDULED", 2, 2, 0)
    listed = (await editor.get("/v1/events", params={"broadcastId": created["id"]})).json()["items"]
    assert [(each["status"], each["broadcastId"]) for each in listed] == [
        ("PENDING", created["id"]),
        ("COMPLETED", created["id"]),
    ]
    [done] = (await editor.get("/v1/events", params={"broadcastId": created["id"], "status": "COMPLETED"})).json()[
        "items"
    ]
    mine = {"broadcastId": created["id"], "userId": done["userId"]}
    assert (await editor.get("/v1/events", params=mine)).json()["items"] == [done]
    assert (await editor.get("/v1/events", params=mine | {"broadcastId": str(uuid7())})).json()["items"] == []


async def test_the_newest_broadcast_is_listed_first_page_by_page(editor: httpx.AsyncClient) -> None:
    created = [await _create(editor, at=at) for at in ("now", "2027-03-14T09:00:00Z", "2027-03-14T09:00")]
    assert created[1]["targetTimestampUTC"] == "2027-03-14T09:00:00Z"
    first = (await editor.get("/v1/broadcasts", params={"limit": 2})).json()
    second = (await editor.get("/v1/broadcasts", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert first["items"] + second["items"] == created[::-1]
    assert second["nextCursor"] is None


async def test_a_broadcast_is_cancelled_once_and_only_while_something_waits(
    editor: httpx.AsyncClient, scenario: Scenario
) -> None:
    created = await _create(editor)
    await _work(scenario)
    path = f"/v1/broadcasts/{created['id']}"
    assert (await editor.post(f"{path}/cancel")).json()["status"] == "CANCELLING"
    assert _faults(await editor.post(f"{path}/cancel"), 409)[0] == (
        "status",
        f"broadcast {created['id']} is CANCELLING already",
    )
    await _work(scenario)
    body = (await editor.get(path, headers={"Cache-Control": "no-cache"})).json()
    assert (body["status"], body["events"]["CANCELLED"], body["events"]["PENDING"]) == ("CANCELLED", 3, 0)
    over = await _create(editor, at="now")
    await _work(scenario)
    assert await scenario.fire(Priority.LOW) == 3
    [(field, rule)] = _faults(await editor.post(f"/v1/broadcasts/{over['id']}/cancel"), 409)
    assert (field, "none of its events waits any more" in rule) == ("status", True)


async def test_a_repeated_request_with_a_key_gives_the_broadcast_that_is_there(editor: httpx.AsyncClient) -> None:
    request: dict[str, Any] = {"json": {"audience": {"all": True}, "at": "now"}, "headers": {"Idempotency-Key": "a"}}
    first = await editor.post("/v1/broadcasts", **request)
    assert (await editor.post("/v1/broadcasts", **request)).json() == first.json()
    assert len((await editor.get("/v1/broadcasts")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"audience": {}}, "audience", "exactly one of timezones, tags, or all: true"),
        ({"audience": {"all": True, "tags": ["vip"]}}, "audience", "exactly one"),
        ({"audience": {"all": False}}, "audience.all", "True"),
        ({"audience": {"tags": []}}, "audience.tags", "at least 1 item"),
        ({"audience": {"timezones": ["Mars/Base"]}}, "audience.timezones.0", "not a zone"),
        ({"at": "2027-02-27T00:00"}, "at", "has passed"),
        ({"at": "2027-02-28T11:59:59Z"}, "at", "has passed"),
        ({"at": "2029-01-01T00:00"}, "at", "13 months"),
        ({"at": "2027-03-14T02:30", "gap": "skip", "audience": {"timezones": ["America/New_York"]}}, "at", "none of"),
        ({"at": "2027-03-14 02:30"}, "at", "must be `now`"),
        ({"message": "{label}"}, "message", "unknown placeholder {label}"),
        ({"payload": {"eventId": 1}}, "payload", "set by Almanac"),
        ({"expirySeconds": 1}, "expirySeconds", "must be at least graceSeconds"),
        ({"timezone": "UTC"}, "timezone", "not permitted"),
    ],
)
async def test_invalid_broadcast_is_refused_with_field_and_rule(
    editor: httpx.AsyncClient, change: dict[str, Any], field: str, rule: str
) -> None:
    answer = await editor.post("/v1/broadcasts", json={"audience": {"all": True}, "at": "2027-03-14T09:00"} | change)
    [(named, told)] = _faults(answer)
    assert named == field
    assert rule in told
    assert (await editor.get("/v1/broadcasts")).json()["items"] == []


async def test_unknown_broadcast_is_not_found_and_missing_scope_is_refused(
    editor: httpx.AsyncClient, api: httpx.AsyncClient
) -> None:
    path = f"/v1/broadcasts/{UUID(int=1)}"
    assert _faults(await editor.get(path), 404)[0][0] == "broadcastId"
    assert _faults(await editor.post(f"{path}/cancel"), 404)[0][0] == "broadcastId"
    assert _faults(await api.post("/v1/broadcasts", json={}), 403)[0][0] == "Authorization"
    assert _faults(await api.post(f"{path}/cancel"), 403)[0][0] == "Authorization"
