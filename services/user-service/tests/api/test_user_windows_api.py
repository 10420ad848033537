"""When a user may be reached and in which language: over HTTP, and in published messages."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.service.runtime import Runtime
from user_service.settings import Settings

HOURS = [{"days": ["MO", "TU", "WE", "TH", "FR"], "from": "08:00", "until": "20:00"}]
ADA = {"firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": "1990-11-23", "timezone": "Europe/London"}


async def _post(api: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await api.post("/v1/users", json=ADA | fields)


async def _told(runtime: Runtime[Settings]) -> list[tuple[str, dict[str, Any]]]:
    async with runtime.database.transaction() as tx:
        rows = await tx.execute(text("DELETE FROM outbox RETURNING type, item, id"))
        return [(row.type, json.loads(row.item)) for row in sorted(rows, key=lambda row: row.id)]


async def test_user_has_no_window_and_no_locale_unless_given(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    user = (await _post(api)).json()
    assert (user["sendWindow"], user["locale"]) == (None, None)
    [(_, item)] = await _told(runtime)
    assert item.keys().isdisjoint({"sendWindow", "locale"})


async def test_window_and_locale_are_stored_shown_and_announced(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    made = (await _post(api, sendWindow=HOURS, locale="de-at")).json()
    user = (await api.get(f"/v1/users/{made['id']}")).json()
    assert user["sendWindow"] == HOURS
    assert user["locale"] == "de-AT"
    [(_, item)] = await _told(runtime)
    assert item["sendWindow"] == [{"days": HOURS[0]["days"], "from": "08:00:00", "until": "20:00:00"}]
    assert item["locale"] == "de-AT"


async def test_patch_changes_window_and_locale_and_null_takes_them_away(
    api: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    made = (await _post(api)).json()
    await _told(runtime)

    async def patch(**fields: Any) -> dict[str, Any]:
        answer = await api.patch(f"/v1/users/{made['id']}", json=fields, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert (await patch(sendWindow=HOURS))["sendWindow"] == HOURS
    assert (await patch(locale="pt-br"))["locale"] == "pt-BR"
    assert [type for type, _ in await _told(runtime)] == ["UserDeliveryTimeChanged", "UserContactChanged"]
    changed = await patch(sendWindow=None, locale=None)
    assert (changed["sendWindow"], changed["locale"], changed["version"]) == (None, None, 4)


async def test_patch_with_the_same_window_changes_nothing(api: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    made = (await _post(api, sendWindow=HOURS)).json()
    again = await api.patch(f"/v1/users/{made['id']}", json={"sendWindow": HOURS}, headers={"If-Match": "*"})
    assert again.json()["version"] == 1


@pytest.mark.parametrize(
    ("window", "field", "rule"),
    [
        ([], "sendWindow", "at least 1"),
        ([{"days": [], "from": "08:00", "until": "20:00"}], "sendWindow.0.days", "at least 1"),
        ([{"days": ["XX"], "from": "08:00", "until": "20:00"}], "sendWindow.0.days.0", "MO"),
        ([{"days": ["MO", "MO"], "from": "08:00", "until": "20:00"}], "sendWindow.0.days", "a day is given twice"),
        ([{"days": ["MO"], "from": "8:00", "until": "20:00"}], "sendWindow.0.from", "HH:MM"),
        ([{"days": ["MO"], "from": "08:00", "until": "24:00"}], "sendWindow.0.until", "no such time"),
        ([{"days": ["MO"], "from": "08:00"}], "sendWindow.0.until", "required"),
        ([{"days": ["MO"], "from": "08:00", "until": "20:00", "at": 1}], "sendWindow.0.at", "not permitted"),
        (HOURS * 15, "sendWindow", "at most 14"),
    ],
    ids=["empty", "no-day", "unknown-day", "day-twice", "short-time", "no-time", "no-end", "unknown-field", "too-many"],
)
async def test_invalid_window_is_refused_by_field_and_rule(
    api: httpx.AsyncClient, window: list[dict[str, Any]], field: str, rule: str
) -> None:
    answer = await _post(api, sendWindow=window)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert rule in error["detail"]


@pytest.mark.parametrize("locale", ["xx", "german", "de_AT!", ""], ids=["unknown", "a-word", "not-a-tag", "empty"])
async def test_unknown_locale_is_refused(api: httpx.AsyncClient, locale: str) -> None:
    answer = await _post(api, locale=locale)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["locale"]


async def test_import_takes_locales_from_csv_and_windows_from_ndjson(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "csv", "Content-Type": "text/csv"}
    csv = "firstName,lastName,dateOfBirth,timezone,locale\nAda,Lovelace,1990-11-23,UTC,fr\n"
    assert (await api.post("/v1/imports", content=csv, headers=headers)).json()["created"] == 1
    line = json.dumps(ADA | {"lastName": "King", "sendWindow": HOURS})
    headers = {"Idempotency-Key": "ndjson", "Content-Type": "application/x-ndjson"}
    assert (await api.post("/v1/imports", content=line, headers=headers)).json()["created"] == 1
    users = (await api.get("/v1/users")).json()["items"]
    assert {(each["lastName"], each["locale"], each["sendWindow"] == HOURS) for each in users} == {
        ("Lovelace", "fr", False),
        ("King", None, True),
    }
