"""Users in a zone that a release of tzdata no longer has."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chassis.core import zones

DROPPED = "Asia/Calcutta"


@pytest.fixture
def drop(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    zones.zone.cache_clear()


async def test_user_in_a_zone_that_tzdata_dropped_can_be_changed(
    api: httpx.AsyncClient, ada: dict[str, Any], drop: pytest.MonkeyPatch
) -> None:
    location = (await api.post("/v1/users", json=ada | {"timezone": DROPPED})).headers["Location"]
    drop.setattr(zones, "_NAMES", zones._NAMES - {DROPPED})
    zones.zone.cache_clear()
    anyone = {"If-Match": "*"}
    for patch in ({"firstName": "Augusta"}, {"dateOfBirth": "1815-12-10"}):
        answer = await api.patch(location, json=patch, headers=anyone)
        assert (answer.status_code, answer.json()["timezone"]) == (200, DROPPED)
    wedding = {"label": "Wedding", "date": "2015-07-08"}
    assert (await api.post(f"{location}/anniversaries", json=wedding)).status_code == 201
    future = await api.patch(location, json={"dateOfBirth": "2999-01-01"}, headers=anyone)
    assert [each["field"] for each in future.json()["errors"]] == ["dateOfBirth"]
    refused = await api.patch(location, json={"timezone": DROPPED}, headers=anyone)
    assert [each["field"] for each in refused.json()["errors"]] == ["timezone"]
    moved = await api.patch(location, json={"timezone": "Asia/Kolkata"}, headers=anyone)
    assert (moved.status_code, moved.json()["timezone"]) == (200, "Asia/Kolkata")
