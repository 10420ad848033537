"""Users by the ids of the client's own system."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]

PATH = "/v1/users/by-external-id"


def types(stored: Mapping[str, list[Any]]) -> list[str]:
    return [row.type for row in stored["outbox"]]


async def test_user_has_the_external_id_that_it_was_created_with(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    created = (await api.post("/v1/users", json=ada | {"externalId": " crm-42 "})).json()
    assert created["externalId"] == "crm-42"
    assert (await api.get("/v1/users", params={"externalId": "crm-42"})).json()["items"] == [created]
    assert (await api.get("/v1/users", params={"externalId": "CRM-42"})).json()["items"] == []
    assert (await api.get(f"{PATH}/crm-42")).json() == created


async def test_user_without_external_id_has_null(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    assert (await api.post("/v1/users", json=ada)).json()["externalId"] is None


async def test_external_id_reaches_the_bus(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    await api.post("/v1/users", json=ada | {"externalId": "crm-42"})
    await api.post("/v1/users", json=ada)
    named, plain = ((json.loads(row.item)) for row in (await stored())["outbox"])
    assert named["externalId"] == "crm-42"
    assert "externalId" not in plain


@pytest.mark.parametrize(
    "external_id",
    ["", " ", "x" * 201, "a\u0000b", 42, "..", " . "],
    ids=["empty", "blank", "long", "nul", "int", "parent folder", "same folder"],
)
async def test_invalid_external_id_is_refused(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, external_id: object
) -> None:
    answer = await api.post("/v1/users", json=ada | {"externalId": external_id})
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, ["externalId"])
    assert (await stored())["users"] == []


async def test_external_id_of_another_user_is_a_conflict(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    await api.post("/v1/users", json=ada | {"externalId": "crm-42"})
    second = (await api.post("/v1/users", json=ada | {"externalId": "crm-43"})).json()
    before = await stored()
    refused = [
        await api.post("/v1/users", json=ada | {"externalId": "crm-42"}, headers={"Idempotency-Key": "again"}),
        await api.patch(f"/v1/users/{second['id']}", json={"externalId": "crm-42"}, headers={"If-Match": "*"}),
    ]
    for answer in refused:
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("external-id-taken")
        assert answer.json()["detail"] == "another user has the externalId 'crm-42'"
    assert await stored() == before


async def test_external_id_can_be_changed_and_taken_away(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    user = (await api.post("/v1/users", json=ada | {"externalId": "crm-42"})).json()
    path, any_version = f"/v1/users/{user['id']}", {"If-Match": "*"}
    assert (await api.patch(path, json={"externalId": "crm-43"}, headers=any_version)).json()["externalId"] == "crm-43"
    assert (await api.patch(path, json={"externalId": None}, headers=any_version)).json()["externalId"] is None
    assert types(await stored()) == ["UserCreated", "UserContactChanged", "UserContactChanged"]


async def test_put_creates_then_changes_then_changes_nothing(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    first = await api.put(f"{PATH}/crm/42", json=ada)
    assert (first.status_code, first.json()["externalId"], first.headers["ETag"]) == (201, "crm/42", '"1"')
    assert first.headers["Location"] == f"/v1/users/{first.json()['id']}"
    second = await api.put(f"{PATH}/crm/42", json=ada | {"timezone": "Asia/Tokyo", "externalId": "crm/42"})
    assert (second.status_code, second.json()["id"], second.headers["ETag"]) == (200, first.json()["id"], '"2"')
    before = await stored()
    third = await api.put(f"{PATH}/crm%2F42", json=ada | {"timezone": "Asia/Tokyo"})
    assert (third.status_code, third.json()) == (200, second.json())
    assert await stored() == before
    assert types(before) == ["UserCreated", "UserTimezoneChanged"]


async def test_put_takes_what_is_absent_back_to_its_default(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    await api.put(f"{PATH}/crm-42", json=ada | {"anniversaries": [{"label": "Wedding", "date": "2015-06-01"}]})
    needed = {name: ada[name] for name in ("firstName", "lastName", "dateOfBirth", "timezone")}
    user = (await api.put(f"{PATH}/crm-42", json=needed)).json()
    assert (user["email"], user["tags"], user["deliveryTime"], user["anniversaries"]) == (None, [], "09:00:00", [])


async def test_put_keeps_the_identity_of_an_anniversary_with_the_same_label(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    wedding, job = {"label": "Wedding", "date": "2015-06-01"}, {"label": "Job", "date": "2020-02-29"}
    before = (await api.put(f"{PATH}/crm-42", json=ada | {"anniversaries": [wedding, job]})).json()["anniversaries"]
    moved = wedding | {"date": "2015-06-02", "important": True}
    body = ada | {"anniversaries": [{"label": "House", "date": "2021-01-01"}, moved]}
    after = (await api.put(f"{PATH}/crm-42", json=body)).json()["anniversaries"]
    assert after[0] == moved | {"id": before[0]["id"]}
    assert [each["label"] for each in after] == ["Wedding", "House"]
    assert types(await stored())[1:] == ["AnniversaryAdded", "AnniversaryChanged", "AnniversaryRemoved"]


async def test_put_with_another_external_id_in_its_body_is_refused(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    answer = await api.put(f"{PATH}/crm-42", json=ada | {"externalId": "crm-43"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "externalId")
    assert (await stored())["users"] == []


async def test_put_honours_if_match(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    assert (await api.put(f"{PATH}/crm-42", json=ada, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.put(f"{PATH}/crm-42", json=ada)).status_code == 201
    changed = ada | {"firstName": "Augusta"}
    assert (await api.put(f"{PATH}/crm-42", json=changed, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.put(f"{PATH}/crm-42", json=changed, headers={"If-Match": '"1"'})).status_code == 200


async def test_birth_in_the_future_by_put_is_refused(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    await api.put(f"{PATH}/crm-42", json=ada)
    before = await stored()
    for external_id in ("crm-42", "crm-43"):
        answer = await api.put(f"{PATH}/{external_id}", json=ada | {"dateOfBirth": "2999-01-01"})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "birth-in-future")
    assert await stored() == before


async def test_concurrent_puts_of_one_external_id_make_one_user(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    answers = await asyncio.gather(*(api.put(f"{PATH}/crm-42", json=ada) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await stored())["users"]) == 1


async def test_unknown_external_id_is_a_404(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{PATH}/crm-42")
    assert answer.status_code == 404
    assert answer.json()["errors"] == [{"field": "externalId", "detail": "there is no user with externalId 'crm-42'"}]
