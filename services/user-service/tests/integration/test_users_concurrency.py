"""Requests for the same thing at the same time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]


async def test_of_several_patches_with_the_same_version_exactly_one_wins(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    answers = await asyncio.gather(
        *(api.patch(path, json={"firstName": f"Ada {n}"}, headers={"If-Match": '"1"'}) for n in range(8))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 7}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await api.get(path)).json() == winner
    assert Counter(row.type for row in (await stored())["outbox"]) == {"UserCreated": 1, "UserRenamed": 1}


async def test_patches_of_any_version_follow_each_other_and_lose_nothing(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    changes = [{"firstName": "Augusta"}, {"lastName": "King"}, {"timezone": "Asia/Tokyo"}, {"phone": "+4915112345678"}]
    answers = await asyncio.gather(*(api.patch(path, json=change, headers={"If-Match": "*"}) for change in changes))
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5]
    user = (await api.get(path)).json()
    assert all(user.items() >= change.items() for change in changes)
    assert len((await stored())["outbox"]) == 5


async def test_of_a_patch_and_a_deletion_of_the_same_version_one_wins(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    headers = {"If-Match": '"1"'}
    patched, deleted = await asyncio.gather(
        api.patch(path, json={"firstName": "Augusta"}, headers=headers), api.delete(path, headers=headers)
    )
    assert (patched.status_code, deleted.status_code) in {(200, 412), (404, 204)}
    assert len((await stored())["outbox"]) == 2


async def test_a_create_that_is_sent_several_times_at_once_creates_one_user(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    answers = await asyncio.gather(
        *(api.post("/v1/users", json=ada, headers={"Idempotency-Key": "once"}) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    tables = await stored()
    assert (len(tables["users"]), len(tables["outbox"]), len(tables["keys"])) == (1, 1, 1)
