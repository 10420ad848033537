"""Anniversaries: part of their user, whose version is theirs."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]

WEDDING = {"label": "Wedding", "date": "2015-07-08", "important": True}


@pytest.fixture
async def place(api: httpx.AsyncClient, ada: dict[str, Any]) -> str:
    """Where the anniversaries of a new user are."""
    return f"{(await api.post('/v1/users', json=ada)).headers['Location']}/anniversaries"


async def test_an_added_anniversary_is_answered_with_its_place_and_its_users_new_version(
    api: httpx.AsyncClient, place: str
) -> None:
    added = await api.post(place, json=WEDDING)
    assert (added.status_code, added.headers["ETag"]) == (201, '"2"')
    anniversary = added.json()
    assert anniversary == {"id": anniversary["id"], **WEDDING}
    assert added.headers["Location"] == f"{place}/{anniversary['id']}"
    read = await api.get(added.headers["Location"])
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, anniversary, '"2"')
    user = await api.get(place.removesuffix("/anniversaries"))
    assert (user.json()["anniversaries"], user.headers["ETag"]) == ([anniversary], '"2"')


async def test_label_is_trimmed_and_important_defaults_to_false(api: httpx.AsyncClient, place: str) -> None:
    added = (await api.post(place, json={"label": "  First date ", "date": "2001-02-28"})).json()
    assert (added["label"], added["important"]) == ("First date", False)


async def test_the_list_keeps_the_order_in_which_they_came(api: httpx.AsyncClient, place: str) -> None:
    added = [(await api.post(place, json=WEDDING | {"label": label})).json() for label in ("b", "a", "c")]
    listed = await api.get(place)
    assert listed.json() == {"items": added, "nextCursor": None}
    assert listed.headers["ETag"] == '"4"'


async def test_a_user_is_born_with_anniversaries(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    user = (await api.post("/v1/users", json=ada | {"anniversaries": [WEDDING, WEDDING]})).json()
    assert [{**each, "id": None} for each in user["anniversaries"]] == [WEDDING | {"id": None}] * 2
    [announced] = (await stored())["outbox"]
    assert json.loads(announced.item)["anniversaries"] == [_announced(each) for each in user["anniversaries"]]


async def test_each_change_is_announced_with_the_whole_snapshot(
    api: httpx.AsyncClient, place: str, stored: Stored
) -> None:
    first = (await api.post(place, json=WEDDING)).json()
    second = (await api.post(place, json=WEDDING | {"label": "Second"})).json()
    changed = await api.patch(f"{place}/{first['id']}", json={"date": "2016-02-29"}, headers={"If-Match": '"3"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"4"')
    assert changed.json() == first | {"date": "2016-02-29"}
    removed = await api.delete(f"{place}/{second['id']}", headers={"If-Match": '"4"'})
    assert (removed.status_code, removed.content) == (204, b"")
    renamed = await api.patch(
        place.removesuffix("/anniversaries"), json={"firstName": "Augusta"}, headers={"If-Match": '"5"'}
    )
    assert renamed.json()["anniversaries"] == [changed.json()]

    rows = (await stored())["outbox"]
    items = [json.loads(row.item) for row in rows]
    assert [row.type for row in rows] == [
        "UserCreated",
        "AnniversaryAdded",
        "AnniversaryAdded",
        "AnniversaryChanged",
        "AnniversaryRemoved",
        "UserRenamed",
    ]
    assert [item["version"] for item in items] == [1, 2, 3, 4, 5, 6]
    kept = _announced(changed.json())
    assert [item["anniversaries"] for item in items] == [
        [],
        [_announced(first)],
        [_announced(first), _announced(second)],
        [kept, _announced(second)],
        [kept],
        [kept],
    ]
    assert {item["firstName"] for item in items[:-1]} == {"Ada"}


async def test_a_patch_that_changes_nothing_keeps_the_version_and_announces_nothing(
    api: httpx.AsyncClient, place: str, stored: Stored
) -> None:
    path = (await api.post(place, json=WEDDING)).headers["Location"]
    before = await stored()
    same = await api.patch(path, json=WEDDING | {"label": " Wedding"}, headers={"If-Match": "*"})
    assert (same.status_code, same.headers["ETag"]) == (200, '"2"')
    assert await stored() == before


async def test_today_in_the_users_own_zone_is_the_last_day_that_is_accepted(
    api: httpx.AsyncClient, place: str, stop_clock: Callable[[datetime], Awaitable[None]]
) -> None:
    user = place.removesuffix("/anniversaries")
    await stop_clock(datetime(2027, 6, 1, 10, 30, tzinfo=UTC))  # 2 June, 00:30 in Kiritimati
    await api.patch(user, json={"timezone": "Pacific/Kiritimati"}, headers={"If-Match": "*"})
    path = (await api.post(place, json=WEDDING | {"date": "2027-06-02"})).headers["Location"]
    _refused(await api.post(place, json=WEDDING | {"date": "2027-06-03"}), 422, "date", "anniversary-in-future")
    # A user who moves west keeps it, and may rename it.
    assert (await api.patch(user, json={"timezone": "UTC"}, headers={"If-Match": "*"})).status_code == 200
    assert (await api.patch(path, json={"label": "Moved"}, headers={"If-Match": "*"})).status_code == 200
    again = await api.patch(path, json={"date": "2027-06-03"}, headers={"If-Match": "*"})
    _refused(again, 422, "date", "anniversary-in-future")


async def test_a_new_users_anniversary_in_the_future_is_refused_by_its_place(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    answer = await api.post("/v1/users", json=ada | {"anniversaries": [WEDDING, WEDDING | {"date": "9999-12-31"}]})
    _refused(answer, 422, "anniversaries.1.date", "anniversary-in-future")
    assert not any((await stored()).values())


async def test_a_user_has_twenty_at_most(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    many = [WEDDING | {"label": str(number)} for number in range(21)]
    _refused(await api.post("/v1/users", json=ada | {"anniversaries": many}), 422, "anniversaries")
    path = (await api.post("/v1/users", json=ada | {"anniversaries": many[:20]})).headers["Location"]
    before = await stored()
    _refused(await api.post(f"{path}/anniversaries", json=WEDDING), 409, "anniversaries", "too-many-anniversaries")
    assert await stored() == before


async def test_a_repeated_request_with_its_key_adds_one(api: httpx.AsyncClient, place: str, stored: Stored) -> None:
    # The key counts before the version: the repeated request knows only the version before the first one.
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'}
    first = await api.post(place, json=WEDDING, headers=headers)
    before = await stored()
    second = await api.post(place, json=WEDDING, headers=headers)
    assert (second.status_code, second.json(), second.headers["ETag"]) == (201, first.json(), '"2"')
    assert await stored() == before
    other = await api.post(place, json=WEDDING | {"label": "Other"}, headers=headers)
    _refused(other, 422, "Idempotency-Key", "idempotency-key-reused")
    await api.delete(first.headers["Location"])
    _refused(await api.post(place, json=WEDDING, headers=headers), 404, "anniversaryId", "anniversary-not-found")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("label", ["", "  ", "x" * 101, "Wed\nding", 7, None]),
        ("date", ["2015-02-29", "08.07.2015", "2015-07-08T00:00:00", 0, None]),
        ("important", ["true", 1, None]),
        ("id", [str(uuid4())]),
    ],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    api: httpx.AsyncClient, place: str, stored: Stored, field: str, values: list[Any]
) -> None:
    path = (await api.post(place, json=WEDDING)).headers["Location"]
    before = await stored()
    for value in values:
        _refused(await api.post(place, json=WEDDING | {field: value}), 422, field)
        _refused(await api.patch(path, json={field: value}, headers={"If-Match": "*"}), 422, field)
    assert await stored() == before


async def test_a_change_needs_the_version_that_was_read(api: httpx.AsyncClient, place: str, stored: Stored) -> None:
    path = (await api.post(place, json=WEDDING)).headers["Location"]
    before = await stored()
    stale = {"If-Match": '"1"'}
    _refused(await api.patch(path, json={"label": "x"}), 428, "If-Match", "precondition-required")
    _refused(await api.patch(path, json={"label": "x"}, headers=stale), 412, "If-Match", "stale-version")
    _refused(await api.delete(path, headers=stale), 412, "If-Match", "stale-version")
    _refused(await api.post(place, json=WEDDING, headers=stale), 412, "If-Match", "stale-version")
    assert await stored() == before


async def test_unknown_id_is_not_found(api: httpx.AsyncClient, place: str) -> None:
    any_version = {"If-Match": "*"}
    for path, field, slug in (
        (f"{place}/{uuid4()}", "anniversaryId", "anniversary-not-found"),
        (f"/v1/users/{uuid4()}/anniversaries/{uuid4()}", "userId", "user-not-found"),
    ):
        _refused(await api.get(path), 404, field, slug)
        _refused(await api.patch(path, json={"label": "x"}, headers=any_version), 404, field, slug)
        _refused(await api.delete(path), 404, field, slug)
    nobody = f"/v1/users/{uuid4()}/anniversaries"
    for answer in (await api.get(nobody), await api.post(nobody, json=WEDDING)):
        _refused(answer, 404, "userId", "user-not-found")


async def test_a_key_does_only_what_its_scopes_say(api: httpx.AsyncClient, place: str, stored: Stored) -> None:
    path = (await api.post(place, json=WEDDING)).headers["Location"]
    before = await stored()
    reader, writer = ({"Authorization": f"Bearer {name}", "If-Match": "*"} for name in ("reader", "writer"))
    for answer in (
        await api.post(place, json=WEDDING, headers=reader),
        await api.patch(path, json={"label": "x"}, headers=reader),
        await api.delete(path, headers=reader),
        await api.get(place, headers=writer),
        await api.get(path, headers=writer),
    ):
        _refused(answer, 403, "Authorization", "forbidden")
    assert await stored() == before


def _announced(anniversary: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in anniversary.items() if name != "id"}
    return {"anniversaryId": anniversary["id"], **rest}


def _refused(answer: httpx.Response, status: int, field: str, slug: str = "invalid-request") -> None:
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:almanac:problem:{slug}"), answer.text
    assert [error["field"] for error in problem["errors"]] == [field]
