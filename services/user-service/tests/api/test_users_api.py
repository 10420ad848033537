"""What a client can do with users."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]


async def test_a_created_user_is_answered_with_its_place_and_version_and_can_be_read(
    api: httpx.AsyncClient, ada: dict[str, Any]
) -> None:
    created = await api.post("/v1/users", json=ada)
    assert created.status_code == 201
    user = created.json()
    assert {name: user[name] for name in ada} == ada
    assert user.keys() - ada.keys() == {
        "id",
        "version",
        "externalId",
        "anniversaries",
        "sendWindow",
        "locale",
        "createdAt",
        "updatedAt",
    }
    assert user["version"] == 1
    assert user["createdAt"] == user["updatedAt"]
    assert created.headers["ETag"] == '"1"'
    assert created.headers["Location"] == f"/v1/users/{user['id']}"

    read = await api.get(created.headers["Location"])
    assert read.status_code == 200
    assert read.json() == user
    assert read.headers["ETag"] == '"1"'


async def test_what_is_optional_has_its_default(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    required = {name: ada[name] for name in ("firstName", "lastName", "dateOfBirth", "timezone")}
    user = (await api.post("/v1/users", json=required)).json()
    assert (user["email"], user["phone"], user["tags"], user["deliveryTime"]) == (None, None, [], "09:00:00")


async def test_names_are_trimmed_tags_sorted_and_times_completed(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    sent = ada | {
        "firstName": "  Zoë ",
        "lastName": "d’Arc\u3000",
        "tags": ["vip", "b-2", "a_1"],
        "deliveryTime": "07:05",
    }
    user = (await api.post("/v1/users", json=sent)).json()
    assert (user["firstName"], user["lastName"]) == ("Zoë", "d’Arc")
    assert user["tags"] == ["a_1", "b-2", "vip"]
    assert user["deliveryTime"] == "07:05:00"


@pytest.mark.parametrize("born", ["1960-02-29", "1899-12-31", "2000-02-29"])
async def test_a_birth_on_a_leap_day_or_long_ago_is_accepted(
    api: httpx.AsyncClient, ada: dict[str, Any], born: str
) -> None:
    assert (await api.post("/v1/users", json=ada | {"dateOfBirth": born})).json()["dateOfBirth"] == born


async def test_two_users_may_share_an_address(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    first, second = [(await api.post("/v1/users", json=ada)).json() for _ in range(2)]
    assert first["email"] == second["email"]
    assert first["id"] != second["id"]


async def test_today_is_the_users_own_date(
    api: httpx.AsyncClient, ada: dict[str, Any], stop_clock: Callable[[datetime], Awaitable[None]]
) -> None:
    await stop_clock(
        datetime(2027, 6, 1, 10, 30, tzinfo=UTC)
    )  # 2 June, 00:30 in Kiritimati; 31 May, 23:30 in Pago Pago
    newborn = ada | {"dateOfBirth": "2027-06-02", "timezone": "Pacific/Kiritimati"}
    assert (await api.post("/v1/users", json=newborn)).status_code == 201
    refused = await api.post("/v1/users", json=newborn | {"timezone": "Europe/London"})
    assert refused.status_code == 422
    assert (await api.post("/v1/users", json=newborn | {"timezone": "Pacific/Pago_Pago"})).status_code == 422
    in_pago_pago = newborn | {"timezone": "Pacific/Pago_Pago", "dateOfBirth": "2027-05-31"}
    assert (await api.post("/v1/users", json=in_pago_pago)).status_code == 201


async def test_a_newborn_may_move_west_across_the_date_line(
    api: httpx.AsyncClient, ada: dict[str, Any], stop_clock: Callable[[datetime], Awaitable[None]]
) -> None:
    await stop_clock(datetime(2027, 6, 1, 10, 30, tzinfo=UTC))
    newborn = ada | {"dateOfBirth": "2027-06-02", "timezone": "Pacific/Kiritimati"}
    user = (await api.post("/v1/users", json=newborn)).json()
    moved = await api.patch(
        f"/v1/users/{user['id']}", json={"timezone": "Pacific/Pago_Pago"}, headers={"If-Match": "*"}
    )
    assert moved.status_code == 200


async def test_a_patch_changes_what_it_names_and_nothing_else(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    user = (await api.post("/v1/users", json=ada)).json()
    path = f"/v1/users/{user['id']}"
    patch = {"firstName": "Augusta", "timezone": "Asia/Kathmandu"}
    patched = await api.patch(path, json=patch, headers={"If-Match": '"1"'})
    assert patched.status_code == 200
    assert patched.headers["ETag"] == '"2"'
    assert patched.json() == user | patch | {"version": 2, "updatedAt": patched.json()["updatedAt"]}
    assert patched.json()["updatedAt"] > user["updatedAt"]
    assert (await api.get(path)).json() == patched.json()


async def test_null_takes_an_optional_field_back_to_its_default(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    user = (await api.post("/v1/users", json=ada)).json()
    nothing = {"email": None, "phone": None, "tags": None, "deliveryTime": None}
    content_type = {"Content-Type": "application/merge-patch+json", "If-Match": '"1"'}
    patched = await api.patch(f"/v1/users/{user['id']}", json=nothing, headers=content_type)
    assert patched.status_code == 200
    assert {name: patched.json()[name] for name in nothing} == nothing | {"tags": [], "deliveryTime": "09:00:00"}


async def test_a_patch_that_changes_nothing_keeps_the_version_and_announces_nothing(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    user = (await api.post("/v1/users", json=ada)).json()
    before = await stored()
    same = ada | {"tags": ["vip", "engine"], "deliveryTime": "08:30", "firstName": " Ada "}
    patched = await api.patch(f"/v1/users/{user['id']}", json=same, headers={"If-Match": '"1"'})
    assert patched.status_code == 200
    assert patched.json() == user
    assert patched.headers["ETag"] == '"1"'
    assert await stored() == before


async def test_a_star_writes_over_any_version(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    for version, name in ((2, "Augusta"), (3, "Byron")):
        patched = await api.patch(path, json={"firstName": name}, headers={"If-Match": "*"})
        assert patched.json()["version"] == version


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}])
async def test_a_deleted_user_is_gone(api: httpx.AsyncClient, ada: dict[str, Any], headers: dict[str, str]) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    deleted = await api.delete(path, headers=headers)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await api.get(path)).status_code == 404
    assert (await api.delete(path)).status_code == 404
    assert (await api.patch(path, json={"firstName": "Ada"}, headers={"If-Match": "*"})).status_code == 404
    assert (await api.get("/v1/users")).json()["items"] == []


async def test_a_repeated_create_with_its_key_gives_the_same_user(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await api.post("/v1/users", json=ada, headers=key)
    before = await stored()
    second = await api.post("/v1/users", json=ada, headers=key)
    assert second.status_code == 201
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert await stored() == before
    other = await api.post("/v1/users", json=ada, headers={"Idempotency-Key": str(uuid4())})
    assert other.json()["id"] != first.json()["id"]


async def test_a_key_whose_user_has_been_deleted_creates_no_other(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "once"}
    path = (await api.post("/v1/users", json=ada, headers=key)).headers["Location"]
    await api.delete(path)
    repeated = await api.post("/v1/users", json=ada, headers=key)
    assert repeated.status_code == 404
    assert repeated.json()["type"] == "urn:almanac:problem:user-not-found"
