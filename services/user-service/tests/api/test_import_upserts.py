"""Imports that know users by the ids of the client's own system."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from user_service.application import imports

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]
HEADER = "externalId,firstName,lastName,dateOfBirth,timezone,email,tags,anniversary:Wedding\n"
ADA = "crm-1,Ada,Lovelace,1990-12-10,Europe/London,ada@example.org,vip;engine,2015-06-01\n"
ADA_ALONE = "crm-1,Ada,Lovelace,1990-12-10,Europe/London"
GRACE = "crm-2,Grace,Hopper,1906-12-09,America/New_York,,,\n"


@pytest.fixture
def send(api: httpx.AsyncClient) -> Callable[..., Awaitable[dict[str, Any]]]:
    """`await send(body, mode="upsert")`: import a CSV or NDJSON body, and its counts."""

    async def post(body: str | list[dict[str, Any]], mode: str = "upsert", key: str | None = None) -> dict[str, Any]:
        text, type = (body, "text/csv") if isinstance(body, str) else (_lines(body), "application/x-ndjson")
        headers = {"Content-Type": type, "Idempotency-Key": key or str(uuid4())}
        answer = await api.post("/v1/imports", params={"mode": mode}, content=text.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    return post


def _lines(objects: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def counts(job: Mapping[str, Any]) -> tuple[int, ...]:
    """created, updated, unchanged, refused"""
    result = tuple(job[name] for name in ("created", "updated", "unchanged", "refused"))
    assert sum(result) == job["rows"]
    return result


async def user(api: httpx.AsyncClient, external_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/v1/users/by-external-id/{external_id}")).json()
    return found


async def test_same_file_again_changes_nothing(send: Any, stored: Stored) -> None:
    assert counts(await send(HEADER + ADA + GRACE)) == (2, 0, 0, 0)
    before = await stored()
    assert counts(await send(HEADER + ADA + GRACE)) == (0, 0, 2, 0)
    after = await stored()
    assert (after["users"], after["outbox"]) == (before["users"], before["outbox"])


async def test_changed_file_changes_what_changed(api: httpx.AsyncClient, send: Any, stored: Stored) -> None:
    await send(HEADER + ADA + GRACE)
    before = await user(api, "crm-1")
    changed = ADA.replace("Europe/London", "Asia/Tokyo").replace("2015-06-01", "2015-06-02")
    assert counts(await send(HEADER + changed + GRACE)) == (0, 1, 1, 0)
    after = await user(api, "crm-1")
    assert (after["id"], after["version"], after["timezone"]) == (before["id"], 2, "Asia/Tokyo")
    assert after["anniversaries"] == [before["anniversaries"][0] | {"date": "2015-06-02"}]
    announced = [(row.type, json.loads(row.item)["version"]) for row in (await stored())["outbox"]]
    assert announced[2:] == [("UserTimezoneChanged", 2), ("AnniversaryChanged", 2)]


async def test_empty_value_of_a_csv_column_clears_and_an_absent_column_keeps(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + ADA)
    assert counts(await send("externalId,firstName,lastName,dateOfBirth,timezone\n" + ADA_ALONE + "\n")) == (0, 0, 1, 0)
    kept = await user(api, "crm-1")
    assert (kept["email"], kept["tags"], len(kept["anniversaries"])) == ("ada@example.org", ["engine", "vip"], 1)
    assert counts(await send(HEADER + ADA_ALONE + ",,,\n")) == (0, 1, 0, 0)
    cleared = await user(api, "crm-1")
    assert (cleared["email"], cleared["tags"], cleared["anniversaries"]) == (None, [], [])


async def test_csv_speaks_only_of_the_anniversaries_in_its_header(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + ADA)
    path = f"/v1/users/{(await user(api, 'crm-1'))['id']}/anniversaries"
    await api.post(path, json={"label": "Job", "date": "2020-01-01", "important": True})
    await send(HEADER + ADA.replace("2015-06-01", ""))
    assert [each["label"] for each in (await user(api, "crm-1"))["anniversaries"]] == ["Job"]


async def test_ndjson_keeps_what_a_line_does_not_name(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + ADA)
    line = {"externalId": "crm-1", "firstName": "Augusta", "lastName": "Lovelace", "dateOfBirth": "1990-12-10"}
    assert counts(await send([line | {"timezone": "Europe/London", "email": None}])) == (0, 1, 0, 0)
    after = await user(api, "crm-1")
    assert (after["firstName"], after["email"], after["tags"]) == ("Augusta", None, ["engine", "vip"])


async def test_lines_without_external_id_create_users_each_time(send: Any, stored: Stored) -> None:
    plain = HEADER + ADA.replace("crm-1", "")
    assert counts(await send(plain)) == (1, 0, 0, 0)
    assert counts(await send(plain)) == (1, 0, 0, 0)
    assert len((await stored())["users"]) == 2


async def test_external_id_that_comes_twice_is_one_user_as_the_last_line_says(
    api: httpx.AsyncClient, send: Any, stored: Stored
) -> None:
    twice = HEADER + ADA + GRACE + ADA.replace("Ada", "Augusta")
    assert counts(await send(twice)) == (2, 0, 1, 0)
    assert (await user(api, "crm-1"))["firstName"] == "Augusta"
    assert [json.loads(row.item)["version"] for row in (await stored())["outbox"]] == [1, 1]
    assert counts(await send(HEADER + ADA.replace("Ada", "A.") + ADA.replace("Ada", "B."))) == (0, 1, 1, 0)
    assert ((await user(api, "crm-1"))["firstName"], (await user(api, "crm-1"))["version"]) == ("B.", 2)


async def test_line_that_a_stored_user_cannot_take_is_refused_alone(
    api: httpx.AsyncClient, send: Any, stored: Stored
) -> None:
    await send(HEADER + ADA + GRACE)
    path = f"/v1/users/{(await user(api, 'crm-1'))['id']}/anniversaries"
    for number in range(19):
        assert (await api.post(path, json={"label": f"Day {number}", "date": "2020-01-01"})).status_code == 201
    header = "externalId,firstName,lastName,dateOfBirth,timezone,anniversary:One more\n"
    job = await send(header + ADA_ALONE + ",2020-02-02\ncrm-2,G.,Hopper,1906-12-09,America/New_York,\n")
    assert counts(job) == (0, 1, 0, 1)
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    assert (refused["line"], [each["field"] for each in refused["errors"]]) == (2, ["anniversaries"])


async def test_concurrent_imports_of_one_file_create_each_user_once(
    send: Any, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 20)
    lines = [ADA.replace("crm-1", f"crm-{number}") for number in range(100)]
    jobs = await asyncio.gather(send(HEADER + "".join(lines)), send(HEADER + "".join(lines)))
    assert sorted(job["created"] + job["unchanged"] for job in jobs) == [100, 100]
    assert sum(job["created"] for job in jobs) == len((await stored())["users"]) == 100


async def test_chunks_of_an_import_update_users_in_several_transactions(
    send: Any, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 30)
    lines = [ADA.replace("crm-1", f"crm-{number}") for number in range(100)]
    assert counts(await send(HEADER + "".join(lines))) == (100, 0, 0, 0)
    assert counts(await send((HEADER + "".join(lines)).replace("vip", "gold"))) == (0, 100, 0, 0)
    assert {tuple(row.tags) for row in (await stored())["users"]} == {("engine", "gold")}


async def test_header_with_a_bad_anniversary_column_is_refused(api: httpx.AsyncClient) -> None:
    columns = ",".join(f"anniversary:{number}" for number in range(21))
    for header, detail in (
        (f"firstName,lastName,dateOfBirth,timezone,{columns}", "at most 20 columns of anniversaries, there are 21"),
        ("firstName,lastName,dateOfBirth,timezone,anniversary:A,anniversary:A", "anniversary:A is there twice"),
    ):
        headers = {"Content-Type": "text/csv", "Idempotency-Key": str(uuid4())}
        answer = await api.post("/v1/imports", content=f"{header}\n".encode(), headers=headers)
        assert answer.status_code == 422
        assert detail in answer.json()["detail"]


async def test_anniversary_in_the_future_is_refused_by_its_line(api: httpx.AsyncClient, send: Any) -> None:
    job = await send(HEADER + ADA.replace("2015-06-01", "2999-01-01"))
    assert counts(job) == (0, 0, 0, 1)
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    assert refused["errors"][0]["field"] == "anniversaries.0.date"


async def test_sync_lists_who_is_missing_and_deletes_them_on_request(
    api: httpx.AsyncClient, send: Any, stored: Stored
) -> None:
    await send(HEADER + ADA + GRACE + ADA.replace("crm-1", "").replace("Ada", "Nobody"))
    job = await send(HEADER + GRACE, "sync")
    assert (counts(job), job["missing"], job["mode"]) == ((0, 0, 1, 0), 1, "sync")
    path = f"/v1/imports/{job['id']}/missing"
    gone = await user(api, "crm-1")
    [listed] = (await api.get(path)).json()["items"]
    assert listed == {"userId": gone["id"], "externalId": "crm-1", "createdAt": gone["createdAt"]}
    refused = await api.delete(path, params={"expected": 2})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "1 users are missing, not 2: look at the list again",
    )
    assert (await api.delete(path, params={"expected": 1})).json() == {"deleted": 1}
    assert (await api.get(path)).json()["items"] == []
    assert {row.external_id for row in (await stored())["users"]} == {"crm-2", None}
    assert [row.type for row in (await stored())["outbox"]][-1] == "UserDeleted"


async def test_missing_users_are_paged_newest_first(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + "".join(ADA.replace("crm-1", f"old-{number}") for number in range(5)))
    job = await send(HEADER + GRACE, "sync")
    first = (await api.get(f"/v1/imports/{job['id']}/missing", params={"limit": 3})).json()
    second = (
        await api.get(f"/v1/imports/{job['id']}/missing", params={"limit": 3, "cursor": first["nextCursor"]})
    ).json()
    names = [each["externalId"] for each in (*first["items"], *second["items"])]
    assert (sorted(names), second["nextCursor"]) == ([f"old-{number}" for number in range(5)], None)


async def test_sync_with_refused_lines_deletes_no_user(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + ADA + GRACE)
    job = await send(HEADER + GRACE + ADA.replace("crm-1", ""), "sync")
    assert (counts(job), job["missing"]) == ((0, 0, 1, 1), 1)
    [refused] = (await api.get(job["errorsUrl"])).json()["items"]
    assert refused["errors"] == [{"field": "externalId", "detail": "is required with mode=sync"}]
    answer = await api.delete(f"/v1/imports/{job['id']}/missing", params={"expected": 1})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "import-not-sync")


async def test_import_without_sync_has_no_missing_users(api: httpx.AsyncClient, send: Any) -> None:
    job = await send(HEADER + ADA)
    assert job["missing"] is None
    answer = await api.get(f"/v1/imports/{job['id']}/missing")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "import-not-sync")


async def test_key_with_another_mode_is_refused(api: httpx.AsyncClient, send: Any) -> None:
    await send(HEADER + ADA, key="nightly")
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "nightly"}
    answer = await api.post("/v1/imports", params={"mode": "sync"}, content=(HEADER + ADA).encode(), headers=headers)
    assert answer.status_code == 422
