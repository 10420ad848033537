"""Every change leaves its items in its own transaction."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.database.clock import ManualClock
from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from chassis.service.runtime import Runtime
from contracts.messages.spec import Item, MessageType
from user_service.application import users
from user_service.domain.user import NewUser, Profile
from user_service.settings import Settings

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]

GRACE = Profile("Grace", "Hopper", date(1906, 12, 9), "America/New_York", email="grace@example.org")


class FailingOutbox(Outbox):
    """Appends, then fails, as a process may that dies before it commits."""

    async def append(self, tx: Transaction, items: Sequence[tuple[MessageType, Item]]) -> None:
        await super().append(tx, items)
        raise ConnectionError("cut off")


async def test_a_new_user_is_announced_with_the_whole_snapshot(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    user_id = (await api.post("/v1/users", json=ada)).json()["id"]
    [(type, item)] = _announced(await stored())
    assert type == "UserCreated"
    assert item.pop("itemId")
    item.pop("traceparent", None)  # there or not, as the process traces or not
    assert item == {
        "userId": user_id,
        "version": 1,
        **{name: ada[name] for name in ada.keys() - {"email", "phone"}},
        "anniversaries": [],
        "contact": {"email": ada["email"], "phone": ada["phone"]},
    }


@pytest.mark.parametrize(
    ("patch", "types"),
    [
        ({"firstName": "Augusta"}, ["UserRenamed"]),
        ({"lastName": "King"}, ["UserRenamed"]),
        ({"firstName": "Augusta", "lastName": "King"}, ["UserRenamed"]),
        ({"dateOfBirth": "1815-12-10"}, ["UserBirthdayChanged"]),
        ({"timezone": "Asia/Kathmandu"}, ["UserTimezoneChanged"]),
        ({"deliveryTime": "07:00"}, ["UserDeliveryTimeChanged"]),
        ({"email": None}, ["UserContactChanged"]),
        ({"phone": "+493012345"}, ["UserContactChanged"]),
        ({"phone": None, "tags": ["new"]}, ["UserContactChanged"]),
        ({"firstName": "Ada", "timezone": "Asia/Tokyo"}, ["UserTimezoneChanged"]),
        (
            {"firstName": "A", "dateOfBirth": "1815-12-10", "timezone": "UTC", "deliveryTime": None, "tags": []},
            [
                "UserBirthdayChanged",
                "UserContactChanged",
                "UserDeliveryTimeChanged",
                "UserRenamed",
                "UserTimezoneChanged",
            ],
        ),
    ],
)
async def test_each_kind_of_change_is_announced_once_with_one_new_version(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored, patch: dict[str, Any], types: list[str]
) -> None:
    path = (await api.post("/v1/users", json=ada)).headers["Location"]
    user = (await api.patch(path, json=patch, headers={"If-Match": '"1"'})).json()
    announced = _announced(await stored())[1:]
    assert sorted(type for type, _ in announced) == types
    assert len({item.pop("itemId") for _, item in announced}) == len(types)
    for _, item in announced:
        assert item == announced[0][1]
    snapshot = announced[0][1]
    assert snapshot["version"] == user["version"] == 2
    assert snapshot["contact"] == {"email": user["email"], "phone": user["phone"]}
    for name in ("firstName", "lastName", "dateOfBirth", "timezone", "deliveryTime", "tags"):
        assert snapshot[name] == user[name]


async def test_a_deletion_is_announced_with_a_last_version_and_nothing_personal(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    user = (await api.post("/v1/users", json=ada)).json()
    await api.delete(f"/v1/users/{user['id']}")
    type, item = _announced(await stored())[-1]
    assert type == "UserDeleted"
    assert item.pop("itemId")
    item.pop("traceparent", None)  # there or not, as the process traces or not
    assert item == {"userId": user["id"], "version": 2}
    assert (await stored())["users"] == []


async def test_a_change_whose_announcement_fails_is_undone(runtime: Runtime[Settings], stored: Stored) -> None:
    database, clock = runtime.database, ManualClock(datetime(2026, 11, 23, 14, tzinfo=UTC))
    user = await users.create_user(database, runtime.outbox, clock, NewUser(GRACE), None)
    before = await stored()
    failing = FailingOutbox()
    with pytest.raises(ConnectionError):
        await users.create_user(database, failing, clock, NewUser(GRACE), None)
    with pytest.raises(ConnectionError):
        await users.update_user(database, failing, clock, user.id, {"first_name": "Ada"}, expected=1)
    with pytest.raises(ConnectionError):
        await users.delete_user(database, failing, user.id, expected=None)
    assert await stored() == before
    assert not failing.appended.is_set()


async def test_the_relay_is_woken_by_a_commit_and_not_by_a_patch_without_change(runtime: Runtime[Settings]) -> None:
    clock = ManualClock(datetime(2026, 11, 23, 14, tzinfo=UTC))
    user = await users.create_user(runtime.database, runtime.outbox, clock, NewUser(GRACE), None)
    assert runtime.outbox.appended.is_set()
    runtime.outbox.appended.clear()
    await users.update_user(runtime.database, runtime.outbox, clock, user.id, {"first_name": "Grace"}, expected=1)
    assert not runtime.outbox.appended.is_set()


async def test_an_item_belongs_to_the_trace_of_its_request(
    api: httpx.AsyncClient, ada: dict[str, Any], stored: Stored
) -> None:
    trace_id = uuid4().hex
    await api.post("/v1/users", json=ada, headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    [(_, item)] = _announced(await stored())
    assert item["traceparent"].split("-")[1] == trace_id


def _announced(tables: Mapping[str, list[Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(row.type, json.loads(row.item)) for row in tables["outbox"]]
