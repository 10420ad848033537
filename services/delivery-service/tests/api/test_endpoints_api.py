"""``/v1/endpoints``."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.service.runtime import Runtime
from contracts.vocabulary import EventType
from delivery_service.settings import Settings
from testkit.refusals import TOO_MANY, long_list, refused_cheaply

URL = "https://example.org/hooks"


async def create(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/v1/endpoints", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def stored(runtime: Runtime[Settings]) -> list[Any]:
    async with runtime.database.read() as connection:
        return list(await connection.execute(text("SELECT * FROM endpoints ORDER BY id")))


async def test_a_created_endpoint_has_its_defaults_and_shows_its_secret_once(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/endpoints", json={"url": URL})
    body = answer.json()
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 44
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == f"/v1/endpoints/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert body.pop("note") is None
    read = await api.get(answer.headers["location"])
    assert read.json() == body
    assert secret not in read.text
    assert secret not in (await api.get("/v1/endpoints")).text
    assert {name: body[name] for name in ("description", "eventTypes", "enabled", "disabledReason")} == {
        "description": None,
        "eventTypes": [],
        "enabled": True,
        "disabledReason": None,
    }
    assert body["timeoutSeconds"] == 30


async def test_a_repeated_create_gives_the_same_endpoint_without_its_secret(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = [await api.post("/v1/endpoints", json={"url": URL}, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert second.json()["secret"] is None
    assert "not shown again" in second.json()["note"]
    assert len(await stored(runtime)) == 1
    other = await api.post("/v1/endpoints", json={"url": f"{URL}/2"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_an_update_needs_the_version_that_was_read(api: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    created = await create(api)
    path = f"/v1/endpoints/{created['id']}"
    before = await stored(runtime)
    for headers, status in (({}, 428), ({"If-Match": '"7"'}, 412), ({"If-Match": "x"}, 422)):
        answer = await api.patch(path, json={"url": f"{URL}/2"}, headers=headers)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["field"] == "If-Match"
    assert await stored(runtime) == before
    answer = await api.patch(path, json={"url": f"{URL}/2"}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["url"]) == (200, '"2"', f"{URL}/2")
    assert "secret" not in answer.json()
    same = await api.patch(path, json={"url": f"{URL}/2"}, headers={"If-Match": "*"})
    assert same.headers["etag"] == '"2"'


async def test_an_endpoint_is_disabled_with_a_reason_and_enabled_without(api: httpx.AsyncClient) -> None:
    created = await create(api, eventTypes=["REMINDER", "BIRTHDAY", "REMINDER"], description=" ours ")
    assert created["eventTypes"] == ["BIRTHDAY", "REMINDER"]
    assert created["description"] == "ours"
    path, anything = f"/v1/endpoints/{created['id']}", {"If-Match": "*"}
    off = await api.patch(path, json={"enabled": False, "disabledReason": "moving"}, headers=anything)
    assert (off.json()["enabled"], off.json()["disabledReason"]) == (False, "moving")
    assert off.json()["disabledAt"] == off.json()["updatedAt"]
    on = await api.patch(path, json={"enabled": True, "eventTypes": None, "description": None}, headers=anything)
    assert [on.json()[name] for name in ("enabled", "disabledReason", "disabledAt")] == [True, None, None]
    assert (on.json()["eventTypes"], on.json()["description"]) == ([], None)


async def test_what_an_endpoint_asks_for_is_kept_and_cleared(api: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {
        "priorities": ["HIGH", "CRITICAL", "HIGH"],
        "tags": ["vip", " partner "],
        "operationalEvents": ["endpoint.disabled"],
        "rateLimit": 0.5,
        "concurrency": 3,
        "retrySchedule": [1, 60, 60],
        "respectSendWindow": True,
    }
    created = await create(api, **asked)
    kept = {**asked, "priorities": ["CRITICAL", "HIGH"], "tags": ["partner", "vip"]}
    assert {name: created[name] for name in asked} == kept
    path = f"/v1/endpoints/{created['id']}"
    cleared = await api.patch(path, json=dict.fromkeys(asked), headers={"If-Match": "*"})
    assert {name: cleared.json()[name] for name in asked} == {
        "priorities": [],
        "tags": [],
        "operationalEvents": [],
        "rateLimit": None,
        "concurrency": None,
        "retrySchedule": None,
        "respectSendWindow": False,
    }
    assert (await api.get(path)).json() == cleared.json()


async def test_what_a_person_reads_is_kept_and_cleared(api: httpx.AsyncClient) -> None:
    words = {"subject": "{eventType}", "text": "{message}\n", "html": "<p>{message}</p>"}
    created = await create(api, kind="email", url=None, **words)
    assert {name: created[name] for name in words} == words
    cleared = await api.patch(f"/v1/endpoints/{created['id']}", json=dict.fromkeys(words), headers={"If-Match": "*"})
    assert {name: cleared.json()[name] for name in words} == dict.fromkeys(words)


@pytest.mark.parametrize("kind", ["email", "sms"])
async def test_endpoint_that_writes_to_a_person_always_respects_send_windows(api: httpx.AsyncClient, kind: str) -> None:
    created = await create(api, kind=kind, url=None)
    assert created["respectSendWindow"] is True
    refused = await api.patch(
        f"/v1/endpoints/{created['id']}", json={"respectSendWindow": False}, headers={"If-Match": "*"}
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "respectSendWindow")
    assert f"must be true where kind is {kind}" in refused.text


async def test_a_deleted_endpoint_is_gone(api: httpx.AsyncClient) -> None:
    created = await create(api)
    path = f"/v1/endpoints/{created['id']}"
    assert (await api.delete(path, headers={"If-Match": '"9"'})).status_code == 412
    assert (await api.delete(path)).status_code == 204
    for answer in (
        await api.get(path),
        await api.delete(path),
        await api.patch(path, json={"enabled": False}, headers={"If-Match": "*"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["field"] == "endpointId"


async def test_the_list_is_paged_newest_first(api: httpx.AsyncClient) -> None:
    created = [(await create(api))["id"] for _ in range(5)]
    listed: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/endpoints", params=params)).json()
        listed += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert listed == created[::-1]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "https://user:secret@example.org"}, "url"),
        ({"url": "https:///hooks"}, "url"),
        ({"url": f"{URL}/{'a' * 2048}"}, "url"),
        ({"description": "a" * 501}, "description"),
        ({"description": "two\nlines"}, "description"),
        ({"eventTypes": ["WEDDING"]}, "eventTypes.0"),
        ({"eventTypes": "BIRTHDAY"}, "eventTypes"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"timeoutSeconds": 31}, "timeoutSeconds"),
        ({"timeoutSeconds": "5"}, "timeoutSeconds"),
        ({"priorities": ["URGENT"]}, "priorities.0"),
        ({"priorities": [0]}, "priorities.0"),
        ({"tags": [""]}, "tags.0"),
        ({"tags": ["a" * 65]}, "tags.0"),
        ({"tags": [str(number) for number in range(51)]}, "tags"),
        ({"operationalEvents": ["endpoint.created"]}, "operationalEvents.0"),
        ({"rateLimit": 0}, "rateLimit"),
        ({"rateLimit": "5"}, "rateLimit"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"retrySchedule": [-1]}, "retrySchedule.0"),
        ({"retrySchedule": [0] * 21}, "retrySchedule"),
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"disabledReason": "moving"}, "disabledReason"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"id": str(uuid4())}, "id"),
    ],
)
async def test_each_bad_field_is_named_and_nothing_changes(
    api: httpx.AsyncClient, runtime: Runtime[Settings], fields: dict[str, Any], field: str
) -> None:
    created = await create(api)
    before = await stored(runtime)
    posted = await api.post("/v1/endpoints", json={"url": URL, **fields})
    patched = await api.patch(f"/v1/endpoints/{created['id']}", json=fields, headers={"If-Match": "*"})
    for answer in (posted, patched):
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await stored(runtime) == before


async def test_an_empty_patch_is_refused(api: httpx.AsyncClient) -> None:
    created = await create(api)
    answer = await api.patch(f"/v1/endpoints/{created['id']}", json={}, headers={"If-Match": "*"})
    assert answer.status_code == 422


@pytest.mark.parametrize("content", [b"{", b'{"url": "\xff"}', b"[]", b""])
async def test_a_body_that_is_no_json_object_is_refused(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post("/v1/endpoints", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["field"] == "body"


@pytest.mark.parametrize(
    ("key", "status", "method"),
    [(None, 401, "GET"), ("nobody", 401, "GET"), ("writer", 403, "GET"), ("reader", 403, "POST")],
)
async def test_a_request_needs_a_key_with_its_scope(
    api: httpx.AsyncClient, key: str | None, status: int, method: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {"Authorization": ""}
    answer = await api.request(method, "/v1/endpoints", json={"url": URL}, headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["field"] == "Authorization"


@pytest.mark.parametrize(
    ("params", "field"), [({"limit": "0"}, "limit"), ({"cursor": "x"}, "cursor"), ({"colour": "red"}, "colour")]
)
async def test_a_bad_query_is_named(api: httpx.AsyncClient, params: dict[str, str], field: str) -> None:
    answer = await api.get("/v1/endpoints", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_an_id_that_is_none_is_named(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/endpoints/7")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "endpointId"


async def test_every_event_type_may_be_asked_for(api: httpx.AsyncClient) -> None:
    created = await create(api, eventTypes=[event_type.value for event_type in EventType])
    assert created["eventTypes"] == sorted(EventType)


@pytest.mark.parametrize("field", ["eventTypes", "priorities", "operationalEvents", "tags", "retrySchedule"])
@pytest.mark.parametrize("count", [19_000, TOO_MANY])
async def test_an_endpoint_with_any_number_of_values_is_refused_cheaply(
    api: httpx.AsyncClient, runtime: Runtime[Settings], field: str, count: int
) -> None:
    content = f'{{"url":"{URL}","{field}":{long_list("{}", count)}}}'
    faults = await refused_cheaply(api, "POST", "/v1/endpoints", content)
    assert {each["field"].partition(".")[0] for each in faults} == {field if count < TOO_MANY else "body"}
    assert await stored(runtime) == []
