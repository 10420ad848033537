"""Reading events over HTTP."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import httpx
import pytest
from event_scenario import Scenario, event_id
from uuid_utils.compat import uuid7

from contracts.messages.user import UserItem
from event_service.main import SERVICE


@pytest.fixture
async def users(scenario: Scenario) -> list[UserItem]:
    """Nine, of whom six share their instant. The first one's birthday has been kept."""
    await scenario.at("2026-11-23T14:00Z")
    users = [
        scenario.user(),
        *(scenario.user(timezone="UTC", date_of_birth=date(2000, 12, 24)) for _ in range(6)),
        scenario.user(timezone="UTC", date_of_birth=date(2000, 12, 25)),
        scenario.user(timezone="UTC", date_of_birth=date(2000, 12, 24), delivery_time=time(9, 0, 1)),
    ]
    await scenario.receive(*users)
    assert await scenario.fire() == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    return users


async def _list(api: httpx.AsyncClient, **parameters: str | int) -> list[dict[str, Any]]:
    answer = await api.get("/v1/events", params=parameters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_one_event_is_shown_with_its_history(api: httpx.AsyncClient, users: list[UserItem]) -> None:
    user, id = users[0].user_id, event_id(users[0].user_id, 2026)
    answer = await api.get(f"/v1/events/{id}")
    assert answer.status_code == 200
    body = answer.json()
    schedule_id = body.pop("scheduleId")
    assert UUID(schedule_id).version == 8
    assert body == {
        "id": str(id),
        "externalId": None,
        "idempotencyKey": str(id),
        "eventType": "BIRTHDAY",
        "status": "COMPLETED",
        "priority": "CRITICAL",
        "userId": str(user),
        "occurrence": "2026",
        "attempt": 1,
        "targetTimestampUTC": "2026-11-23T14:00:00Z",
        "targetTimestampLocal": "2026-11-23T09:00:00-05:00",
        "targetTimezone": "America/New_York",
        "broadcastId": None,
        "localTime": "2026-11-23T09:00:00",
        "followsUser": True,
        "rescheduled": False,
        "originalTargetTimestampUTC": None,
        "ignoreSendWindow": False,
        "coalesced": 0,
        "graceUntil": "2026-11-26T14:00:00Z",
        "expiresAt": "2026-11-26T14:00:00Z",
        "publishedAt": "2026-11-23T14:00:00Z",
        "finishedAt": "2026-11-23T14:00:01Z",
        "reason": None,
        "payload": {"message": "Hey, Ada Lovelace!"},
        "history": [
            {"at": "2026-11-23T14:00:00Z", "status": "PENDING", "cause": "scheduled", "steps": 1},
            {"at": "2026-11-23T14:00:00Z", "status": "PROCESSING", "cause": "claimed", "steps": 1},
            {"at": "2026-11-23T14:00:01Z", "status": "COMPLETED", "cause": "delivered", "steps": 1},
        ],
    }


async def test_the_latest_target_comes_first(api: httpx.AsyncClient, users: list[UserItem]) -> None:
    targets = [item["targetTimestampUTC"] for item in await _list(api)]
    assert len(targets) == 10
    assert targets == sorted(targets, reverse=True)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 10),
        ({"status": "COMPLETED"}, 1),
        ({"status": "PENDING"}, 9),
        ({"status": "FAILED"}, 0),
        ({"eventType": "BIRTHDAY"}, 10),
        ({"eventType": "REMINDER"}, 0),
        ({"from": "2026-12-24T09:00:00Z"}, 9),
        ({"from": "2026-12-24T09:00:01Z"}, 3),
        ({"to": "2026-12-24T09:00:00Z"}, 1),
        ({"from": "2026-12-24T00:00:00+01:00", "to": "2026-12-25T00:00:00Z"}, 7),
        ({"status": "PENDING", "eventType": "BIRTHDAY", "to": "2027-01-01T00:00:00Z"}, 8),
        ({"limit": 3}, 3),
    ],
)
async def test_a_list_can_be_narrowed(
    api: httpx.AsyncClient, users: list[UserItem], parameters: Mapping[str, str | int], count: int
) -> None:
    assert len(await _list(api, **parameters)) == count


async def test_the_events_of_one_user_are_found(api: httpx.AsyncClient, users: list[UserItem]) -> None:
    user_id = str(users[0].user_id)
    assert [item["status"] for item in await _list(api, userId=user_id)] == ["PENDING", "COMPLETED"]
    assert [item["occurrence"] for item in await _list(api, userId=user_id, status="COMPLETED")] == ["2026"]
    assert [item["occurrence"] for item in await _list(api, userId=user_id, **{"from": "2027-01-01T00:00Z"})] == [
        "2027"
    ]
    assert await _list(api, userId=str(uuid7())) == []


@pytest.mark.parametrize("limit", [1, 2, 4, 10])
async def test_pages_hold_each_event_once_even_where_targets_are_equal(
    api: httpx.AsyncClient, scenario: Scenario, users: list[UserItem], limit: int
) -> None:
    await scenario.at("2026-11-23T15:00Z")
    whole = await _list(api)
    found: list[dict[str, Any]] = []
    parameters: dict[str, str | int] = {"limit": limit}
    while True:
        page = (await api.get("/v1/events", params=parameters)).json()
        found += page["items"]
        assert len(page["items"]) <= limit
        if page["nextCursor"] is None:
            break
        # Events inserted ahead of the cursor do not shift the pages.
        await scenario.receive(scenario.user(delivery_time=time(9, 30)))
        parameters["cursor"] = page["nextCursor"]
    assert found == whole


async def test_pages_of_one_user_go_on_where_they_ended(api: httpx.AsyncClient, users: list[UserItem]) -> None:
    user_id = str(users[0].user_id)
    first = (await api.get("/v1/events", params={"userId": user_id, "limit": 1})).json()
    second = (await api.get("/v1/events", params={"userId": user_id, "limit": 1, "cursor": first["nextCursor"]})).json()
    assert [item["occurrence"] for item in (*first["items"], *second["items"])] == ["2027", "2026"]
    assert second["nextCursor"] is None


async def test_summary_counts_recipients_and_pending_events(
    api: httpx.AsyncClient, scenario: Scenario, users: list[UserItem]
) -> None:
    await scenario.delete(users[1].user_id)
    await scenario.at("2026-12-24T09:00Z")
    assert await scenario.fire() == 5
    answer = await api.get("/v1/events/summary")
    assert (answer.status_code, answer.json()) == (200, {"recipients": 8, "pending": 8, "processing": 5})


# -- refusals ---------------------------------------------------------------------------------------------------------


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


async def test_an_event_that_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    id = uuid7()
    problem = _problem(await api.get(f"/v1/events/{id}"), 404)
    assert (problem["type"], problem["detail"]) == ("urn:almanac:problem:event-not-found", f"there is no event {id}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("userId", ["7", "ada", ""]),
        ("eventType", ["birthday", "PARTY", ""]),
        ("status", ["pending", "DONE"]),
        ("from", ["yesterday", "2026-11-23T14:00:00", "2026-02-30T00:00:00Z"]),
        ("to", ["2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z"]),
        ("limit", ["0", "201", "-1", "many"]),
        ("cursor", ["abc", "!", "x" * 201]),
    ],
)
async def test_a_bad_parameter_is_named(api: httpx.AsyncClient, name: str, values: list[str]) -> None:
    for value in values:
        problem = _problem(await api.get("/v1/events", params={name: value}), 422)
        assert [error["field"] for error in problem["errors"]] == [name], value


async def test_a_bad_id_is_named(api: httpx.AsyncClient) -> None:
    problem = _problem(await api.get("/v1/events/seven"), 422)
    assert [error["field"] for error in problem["errors"]] == ["eventId"]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/summary", f"/v1/events/{UUID(int=0)}"])
async def test_a_key_with_the_scope_to_read_is_needed(api: httpx.AsyncClient, path: str) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Basic reader"}, {"Authorization": "Bearer stranger"}):
        _problem(await api.get(path, headers=headers), 401)
    problem = _problem(await api.get(path, headers={"Authorization": "Bearer writer"}), 403)
    assert "`read`" in problem["detail"]


async def test_all_routes_and_their_problems_are_documented(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    assert {path for path in paths if path.startswith("/v1/events")} == {
        "/v1/events",
        "/v1/events/summary",
        "/v1/events/batch",
        "/v1/events/{eventId}",
        "/v1/events/{eventId}/cancel",
        "/v1/events/{eventId}/reschedule",
        "/v1/events/{eventId}/retry",
    }
    assert "404" in paths["/v1/events/{eventId}"]["get"]["responses"]


async def test_the_service_has_the_roles_of_the_design() -> None:
    assert SERVICE.role_names == ["api", "scheduler", "consumer", "maintenance", "relay"]


async def test_a_time_in_a_cursor_keeps_its_microseconds(api: httpx.AsyncClient, scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.receive(scenario.user(), scenario.user())
    await scenario.execute(
        "UPDATE events SET target_timestamp_utc = :at WHERE id = (SELECT min(id::text)::uuid FROM events)",
        at=datetime(2026, 11, 23, 14, 0, 0, 1, tzinfo=UTC),
    )
    first = (await api.get("/v1/events", params={"limit": 1})).json()
    assert first["items"][0]["targetTimestampUTC"] == "2026-11-23T14:00:00.000001Z"
    rest = (await api.get("/v1/events", params={"cursor": first["nextCursor"]})).json()
    assert [item["targetTimestampUTC"] for item in rest["items"]] == ["2026-11-23T14:00:00Z"]
