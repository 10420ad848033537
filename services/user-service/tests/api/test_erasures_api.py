"""A deletion is an erasure, and the API says how far it has come in each service."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.messaging.consumer import ReceivedMessage
from chassis.messaging.erasures import Eraser
from chassis.service.runtime import Runtime
from contracts.messages.envelope import encode_envelope, encode_item
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.spec import MessageType
from user_service.application.erasures import erase, report_own
from user_service.settings import Settings
from user_service.subscribers.erasures import erasure_handler

SERVICES = ["user-service", "event-service", "delivery-service", "analytics-service"]
REPORTS = (MessageType.EVENT_DATA_ERASED, MessageType.DELIVERY_DATA_ERASED, MessageType.ANALYTICS_DATA_ERASED)


async def erase_here(runtime: Runtime[Settings]) -> None:
    """One round, with everything in the outbox sent."""
    async with runtime.database.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET sent_at = clock_timestamp()"))
    eraser = Eraser(runtime.database, runtime.outbox, erase, report=None, every_seconds=60, finished=report_own)
    await eraser.step()


async def report(runtime: Runtime[Settings], type: MessageType, user_id: UUID, at: datetime) -> None:
    item = encode_item(PersonalDataErasedItem(item_id=uuid7(), user_id=user_id, occurred_at=at))
    body = encode_envelope(type, [item], uuid4(), at)
    handler = erasure_handler(runtime.topology.queue("erasure-reports"), runtime.database)
    assert await handler([ReceivedMessage("m", body, {}, "handle", 1, 0.0)]) == []


@pytest.fixture
async def deleted(api: httpx.AsyncClient, ada: dict[str, Any]) -> UUID:
    user_id = (await api.post("/v1/users", json=ada)).json()["id"]
    assert (await api.delete(f"/v1/users/{user_id}")).status_code == 204
    return UUID(user_id)


async def test_an_erasure_is_complete_once_every_service_has_reported(
    api: httpx.AsyncClient, runtime: Runtime[Settings], deleted: UUID
) -> None:
    begun = (await api.get(f"/v1/users/{deleted}/erasure")).json()
    assert begun["userId"] == str(deleted)
    assert begun["completedAt"] is None
    assert begun["services"] == [{"service": name, "erasedAt": None} for name in SERVICES]

    await erase_here(runtime)
    at = datetime(2027, 3, 1, 9, tzinfo=UTC)
    for type in REPORTS[:2]:
        await report(runtime, type, deleted, at)
    partly = {each["service"]: each["erasedAt"] for each in await _services(api, deleted)}
    assert partly["analytics-service"] is None
    assert partly["event-service"] == partly["delivery-service"] == "2027-03-01T09:00:00Z"
    assert partly["user-service"] is not None

    await report(runtime, REPORTS[2], deleted, at.replace(year=2030))
    complete = (await api.get(f"/v1/users/{deleted}/erasure")).json()
    assert complete["completedAt"] == "2030-03-01T09:00:00Z"


async def test_after_the_erasure_the_outbox_holds_nothing_of_the_user(
    api: httpx.AsyncClient, runtime: Runtime[Settings], ada: dict[str, Any]
) -> None:
    user_id = (await api.post("/v1/users", json=ada | {"firstName": "Zaphod-Marker"})).json()["id"]
    await api.delete(f"/v1/users/{user_id}")
    await erase_here(runtime)
    async with runtime.database.read() as connection:
        rows = (await connection.execute(text("SELECT type, item FROM outbox"))).all()
    assert [row.type for row in rows] == ["UserDeleted"]
    assert "Zaphod-Marker" not in rows[0].item


async def test_first_report_of_a_service_counts_and_one_of_an_unknown_service_is_ignored(
    api: httpx.AsyncClient, runtime: Runtime[Settings], deleted: UUID
) -> None:
    for year in (2027, 2028):
        await report(runtime, MessageType.EVENT_DATA_ERASED, deleted, datetime(year, 3, 1, tzinfo=UTC))
    stranger = uuid4()
    await report(runtime, MessageType.EVENT_DATA_ERASED, stranger, datetime(2027, 3, 1, tzinfo=UTC))
    instants = {each["service"]: each["erasedAt"] for each in await _services(api, deleted)}
    assert instants["event-service"] == "2027-03-01T00:00:00Z"
    assert (await api.get(f"/v1/users/{stranger}/erasure")).status_code == 404


async def test_a_user_who_was_not_deleted_has_no_erasure(api: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    user_id = (await api.post("/v1/users", json=ada)).json()["id"]
    answer = await api.get(f"/v1/users/{user_id}/erasure")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"no user {user_id} was deleted within the last 365 days"


async def _services(api: httpx.AsyncClient, user_id: UUID) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = (await api.get(f"/v1/users/{user_id}/erasure")).json()["services"]
    return services
