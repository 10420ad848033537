"""Bad requests: each has its own problem that names the field, and changes nothing."""

from collections.abc import Awaitable, Callable, Mapping
from json import dumps
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.api.intake import MAX_VALUES
from testkit.refusals import TOO_MANY, long_list, refused_cheaply

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]

JSON = {"Content-Type": "application/json"}
BAD_VALUES: dict[str, list[Any]] = {
    "firstName": ["", "   ", "x" * 101, "Ada\n", "Ada\x00", "\ud800", 7, None, ["Ada"]],
    "lastName": ["", "\u3000", "y" * 101, "Love\x9flace", None],
    "dateOfBirth": [
        *("1990-02-30", "1991-02-29", "2023-13-01", "0000-01-01", "10.12.1990", "1990-12-10T00:00:00", "19901210"),
        *("9999-01-01", "", 0, 660787200, True, None),
    ],
    "timezone": ["Mars/Olympus", "europe/london", "EUROPE/LONDON", "Factory", "../etc/passwd", "+01:00", "", None, 1],
    "email": [
        *("ada", "ada@", "@example.org", "ada@localhost", "a da@example.org", "ada@example.org ", "ada@-x.org", ""),
        *("ada@example.org\n", f"{'a' * 65}@example.org", f"ada@{'a.' * 125}org", "zoë@example.org", 1),
    ],
    "phone": ["+0123456", "442071234567", "+44 20 7123 4567", "+4420712345678901", "+", "", "+٤٤٢٠", 442071234567],
    "deliveryTime": ["24:00", "9:00", "09:60", "09:00:60", "09:00:00.5", "09:00Z", "09", "", 32400],
}


@pytest.mark.parametrize("field", BAD_VALUES)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, field: str
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    before = await stored()
    for value in BAD_VALUES[field]:
        for answer in (
            await api.post("/v1/users", content=dumps(ada | {field: value}), headers=JSON),
            await api.patch(path, content=dumps({field: value}), headers=JSON | {"If-Match": '"1"'}),
        ):
            problem = _problem(answer, 422)
            assert problem["type"] in {"urn:almanac:problem:invalid-request", "urn:almanac:problem:birth-in-future"}
            assert [error["field"] for error in problem["errors"]] == [field], value
    assert await stored() == before


async def test_a_bad_tag_is_refused_by_its_place(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    bad: list[tuple[Any, str]] = [
        (["VIP"], "tags.0"),
        (["vip", "two words"], "tags.1"),
        (["-vip"], "tags.0"),
        ([""], "tags.0"),
        (["x" * 51], "tags.0"),
        ([None], "tags.0"),
        (["vip", "vip"], "tags"),
        ([f"tag-{number}" for number in range(21)], "tags"),
        ("vip", "tags"),
    ]
    for tags, field in bad:
        problem = _problem(await api.post("/v1/users", json=ada | {"tags": tags}), 422)
        assert [error["field"] for error in problem["errors"]] == [field], tags
    assert not any((await stored()).values())


async def test_rule_is_described_in_words_and_not_as_an_expression(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    faulty = ada | {"email": "ada@localhost", "phone": "0123", "tags": ["Very important"]}
    problem = _problem(await api.post("/v1/users", json=faulty), 422)
    assert {error["field"]: error["detail"] for error in problem["errors"]} == {
        "email": "must be an address like ada@example.org, of at most 254 characters",
        "phone": "must be a number in the form of E.164, like +4930123456",
        "tags.0": "must be 1 to 50 of a-z and 0-9, with a single - or _ between them where wanted",
    }


async def test_what_is_required_must_be_there(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    for field in ("firstName", "lastName", "dateOfBirth", "timezone"):
        rest = {name: value for name, value in ada.items() if name != field}
        problem = _problem(await api.post("/v1/users", json=rest), 422)
        assert [error["field"] for error in problem["errors"]] == [field]
    assert not any((await stored()).values())


async def test_every_fault_of_a_request_is_named_at_once(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    faulty = ada | {"firstName": "", "timezone": "Mars/Olympus", "tags": ["vip", "VIP"], "age": 36}
    problem = _problem(await api.post("/v1/users", json=faulty), 422)
    assert {error["field"] for error in problem["errors"]} == {"firstName", "timezone", "tags.1", "age"}


async def test_a_birth_in_the_future_says_which_day_it_is_where_the_user_lives(
    api: httpx.AsyncClient, ada: dict[str, Any]
) -> None:
    problem = _problem(await api.post("/v1/users", json=ada | {"dateOfBirth": "9999-12-31"}), 422)
    assert problem["type"] == "urn:almanac:problem:birth-in-future"
    assert "in Europe/London it is" in problem["errors"][0]["detail"]


@pytest.mark.parametrize("field", ["nickname", "first_name", "id", "version"])
async def test_an_unknown_field_is_refused(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, field: str
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    before = await stored()
    unknown = {field: "Ada"}
    for answer in (
        await api.post("/v1/users", json=ada | unknown),
        await api.patch(path, json=unknown, headers={"If-Match": '"1"'}),
    ):
        assert [error["field"] for error in _problem(answer, 422)["errors"]] == [field]
    assert await stored() == before


BROKEN_BODIES = {
    "cut": b"{",
    "empty": b"",
    "open": b'{"firstName": "Ada"',
    "not UTF-8": b"\xff\xfe{",
    "Latin-1": b'{"firstName": "\xe9"}',
    "null": b"null",
    "list": b"[]",
    "text": b'"Ada"',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
async def test_a_body_that_is_no_json_object_in_utf_8_is_refused(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, body: bytes
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    before = await stored()
    headers = JSON | {"If-Match": '"1"'}
    for answer in (
        await api.post("/v1/users", content=body, headers=headers),
        await api.patch(path, content=body, headers=headers),
    ):
        problem = _problem(answer, answer.status_code)
        assert answer.status_code in {400, 422}
        assert [error["field"] for error in problem["errors"]] == ["body"]
    assert await stored() == before


async def test_an_empty_patch_is_refused(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    problem = _problem(await api.patch(path, json={}, headers={"If-Match": '"1"'}), 422)
    assert [error["field"] for error in problem["errors"]] == ["body"]


@pytest.mark.parametrize("credentials", ["", "Bearer nobody", "Basic ZWRpdG9yOg==", "Bearer"])
async def test_without_a_known_key_nothing_answers(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, credentials: str
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    before = await stored()
    for answer in [
        await api.request(method, target, json=json, headers={"Authorization": credentials, "If-Match": "*"})
        for method, target, json in _every_request(path, ada)
    ]:
        problem = _problem(answer, 401)
        assert problem["type"] == "urn:almanac:problem:unauthenticated"
        assert [error["field"] for error in problem["errors"]] == ["Authorization"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await stored() == before


@pytest.mark.parametrize(
    ("holder", "allowed"), [("reader", {"GET"}), ("writer", {"POST", "PATCH", "DELETE"})], ids=["reader", "writer"]
)
async def test_a_key_does_only_what_its_scopes_say(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, holder: str, allowed: set[str]
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    before = await stored()
    headers = {"Authorization": f"Bearer {holder}", "If-Match": "*"}
    for method, target, json in _every_request(path, ada):
        if method not in allowed:
            problem = _problem(await api.request(method, target, json=json, headers=headers), 403)
            assert problem["type"] == "urn:almanac:problem:forbidden"
            assert [error["field"] for error in problem["errors"]] == ["Authorization"]
    assert await stored() == before
    for method, target, json in _every_request(path, ada):
        if method in allowed:
            assert (await api.request(method, target, json=json, headers=headers)).is_success


async def test_an_update_needs_the_version_that_was_read(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    await api.patch(path, json={"firstName": "Augusta"}, headers={"If-Match": '"1"'})
    before = await stored()
    for if_match, status, slug in (
        (None, 428, "precondition-required"),
        ('"1"', 412, "stale-version"),
        ('"3"', 412, "stale-version"),
        ("2", 422, "invalid-request"),
        ('W/"2"', 412, "stale-version"),
        ('"1", "3"', 412, "stale-version"),
    ):
        headers = {"If-Match": if_match} if if_match else {}
        problem = _problem(await api.patch(path, json={"lastName": "King"}, headers=headers), status)
        assert problem["type"] == f"urn:almanac:problem:{slug}"
        assert [error["field"] for error in problem["errors"]] == ["If-Match"]
    for if_match, status in (('"1"', 412), ("2", 422)):
        _problem(await api.delete(path, headers={"If-Match": if_match}), status)
    assert await stored() == before


async def test_an_unknown_user_is_not_found(api: httpx.AsyncClient) -> None:
    path = f"/v1/users/{uuid4()}"
    for answer in (
        await api.get(path),
        await api.patch(path, json={"firstName": "Ada"}, headers={"If-Match": '"1"'}),
        await api.delete(path),
    ):
        problem = _problem(answer, 404)
        assert problem["type"] == "urn:almanac:problem:user-not-found"
        assert [error["field"] for error in problem["errors"]] == ["userId"]
    problem = _problem(await api.get("/v1/users/17"), 422)
    assert [error["field"] for error in problem["errors"]] == ["userId"]


async def test_a_key_of_another_request_is_refused(api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored) -> None:
    await api.post("/v1/users", json=ada, headers={"Idempotency-Key": "once"})
    before = await stored()
    for answer, slug in (
        (
            await api.post("/v1/users", json=ada | {"firstName": "Bob"}, headers={"Idempotency-Key": "once"}),
            "idempotency-key-reused",
        ),
        (await api.post("/v1/users", json=ada, headers={"Idempotency-Key": "x" * 201}), "invalid-request"),
    ):
        problem = _problem(answer, 422)
        assert problem["type"] == f"urn:almanac:problem:{slug}"
        assert [error["field"].lower() for error in problem["errors"]] == ["idempotency-key"]
    assert await stored() == before


async def test_a_bad_filter_is_refused_and_not_ignored(api: httpx.AsyncClient) -> None:
    for query, field in (
        ("email=ada", "email"),
        ("email=%00", "email"),
        ("timezone=europe/london", "timezone"),
        ("tag=Two%20words", "tag"),
        ("birthday=02-30", "birthday"),
        ("birthday=1990-12-10", "birthday"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=none", "cursor"),
        ("emial=ada@example.org", "emial"),
    ):
        problem = _problem(await api.get(f"/v1/users?{query}"), 422)
        assert [error["field"] for error in problem["errors"]] == [field], query


def _every_request(path: str, user: dict[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        ("POST", "/v1/users", user),
        ("GET", "/v1/users", None),
        ("GET", path, None),
        ("PATCH", path, {"firstName": "Augusta"}),
        ("DELETE", path, None),
    ]


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("count", [19_000, TOO_MANY])
@pytest.mark.parametrize("field", ["anniversaries", "tags"])
@pytest.mark.parametrize("item", ["0", "[]", '""'])
async def test_a_user_with_any_number_of_values_is_refused_cheaply(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, field: str, item: str, count: int
) -> None:
    before = await stored()
    ada.pop(field, None)
    content = f'{dumps(ada)[:-1]},"{field}":{long_list(item, count)}}}'
    faults = await refused_cheaply(api, "POST", "/v1/users", content)
    assert [each["field"] for each in faults] == [field if count < MAX_VALUES else "body"]
    assert await stored() == before
