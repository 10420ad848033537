"""Lists: newest first, page by page, filtered."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx


async def test_pages_hold_every_user_once_newest_first(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    created = [(await api.post("/v1/users", json=ada)).json() for _ in range(7)]
    pages = await _pages(api, limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [user for page in pages for user in page] == created[::-1]


async def test_a_full_last_page_has_no_next_one(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    for _ in range(4):
        await api.post("/v1/users", json=ada)
    assert [len(page) for page in await _pages(api, limit=2)] == [2, 2]


async def test_users_of_the_same_instant_are_paged(
    api: httpx.AsyncClient, ada: dict[str, Any], stop_clock: Callable[[datetime], Awaitable[None]]
) -> None:
    await stop_clock(datetime(2027, 2, 27, 10, tzinfo=UTC))
    created = [(await api.post("/v1/users", json=ada)).json()["id"] for _ in range(5)]
    pages = await _pages(api, limit=2)
    assert [user["id"] for page in pages for user in page] == created[::-1]


async def test_who_comes_or_goes_meanwhile_shifts_no_page(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    created = [(await api.post("/v1/users", json=ada)).json()["id"] for _ in range(4)]
    first = (await api.get("/v1/users", params={"limit": 2})).json()
    await api.post("/v1/users", json=ada)
    await api.delete(f"/v1/users/{created[2]}")
    second = (await api.get("/v1/users", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [user["id"] for user in second["items"]] == [created[1], created[0]]
    assert second["nextCursor"] is None


async def test_filters_narrow_a_list_and_add_up(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    plain = {name: ada[name] for name in ("lastName", "timezone")}
    for user in (
        ada,
        plain | {"firstName": "Grace", "dateOfBirth": "1996-02-29", "timezone": "Asia/Kathmandu"},
        plain | {"firstName": "Alan", "dateOfBirth": "1990-12-11", "timezone": "Asia/Kathmandu", "tags": ["vip"]},
        plain | {"firstName": "Zoe", "dateOfBirth": "1960-02-29"},
    ):
        assert (await api.post("/v1/users", json=user)).status_code == 201
    everything = {"email": "ada@example.org", "timezone": "Europe/London", "tag": "engine", "birthday": "12-10"}
    expectations: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["Zoe", "Alan", "Grace", "Ada"]),
        ({"email": "ada@EXAMPLE.org"}, ["Ada"]),
        ({"email": "ada@example.or"}, []),
        ({"timezone": "Asia/Kathmandu"}, ["Alan", "Grace"]),
        ({"tag": "vip"}, ["Alan", "Ada"]),
        ({"tag": "vi"}, []),
        ({"birthday": "12-10"}, ["Ada"]),
        ({"birthday": "02-29"}, ["Zoe", "Grace"]),
        ({"birthday": "02-29", "timezone": "Asia/Kathmandu"}, ["Grace"]),
        ({"birthday": "02-29", "tag": "vip"}, []),
        (everything, ["Ada"]),
    ]
    for filters, expected in expectations:
        pages = await _pages(api, limit=1, **filters)
        assert [user["firstName"] for page in pages for user in page] == expected, filters


async def test_a_filter_by_zone_finds_users_under_every_name_of_the_zone(
    api: httpx.AsyncClient, ada: dict[str, Any]
) -> None:
    for name, zone in (("Ida", "Asia/Calcutta"), ("Uma", "Asia/Kolkata"), ("Ola", "Europe/Oslo")):
        created = await api.post("/v1/users", json=ada | {"firstName": name, "timezone": zone})
        assert created.status_code == 201
    for zone, expected in (
        ("Asia/Kolkata", ["Uma", "Ida"]),
        ("Asia/Calcutta", ["Uma", "Ida"]),
        ("Europe/Berlin", []),
    ):
        pages = await _pages(api, limit=1, timezone=zone)
        assert [user["firstName"] for page in pages for user in page] == expected


async def _pages(api: httpx.AsyncClient, limit: int, **filters: str) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while cursor or not pages:
        params = filters | {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        answer = (await api.get("/v1/users", params=params)).json()
        pages.append(answer["items"])
        cursor = answer["nextCursor"]
    return pages
