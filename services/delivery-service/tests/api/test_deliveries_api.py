"""``/v1/deliveries``."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from delivery_scene import Scene, due_event, receive

from testkit import Answer, Receiver, eventually


async def test_an_exhausted_delivery_is_visible_with_each_of_its_attempts(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    receiver.always(Answer(503, body=b"<h1>later</h1>"))
    due = due_event()

    async def failed() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await api.get("/v1/deliveries", params={"status": "FAILED"})).json()["items"]
        return items

    async with api_scene.pool() as pool:
        await receive(pool, due)
        [listed] = await eventually(failed)
    assert (listed["eventId"], listed["endpointId"]) == (due["eventId"], str(endpoint_id))
    assert listed["channel"] == "webhook"
    assert (listed["reason"], listed["attempts"], listed["httpStatus"]) == ("exhausted", 3, 503)
    assert (listed["priority"], listed["eventType"], listed["nextAttemptAt"]) == ("CRITICAL", "BIRTHDAY", None)
    one = (await api.get(f"/v1/deliveries/{listed['id']}")).json()
    history = one.pop("history")
    assert one == listed
    assert [(each["status"], each["httpStatus"], each["excerpt"]) for each in history] == [
        ("retry", 503, "<h1>later</h1>")
    ] * 3
    assert all(each["traceId"] and each["durationSeconds"] > 0 for each in history)
    assert sorted(each["startedAt"] for each in history) == [each["startedAt"] for each in history]


async def test_deliveries_are_found_by_event_endpoint_user_and_status_and_paged(
    api_scene: Scene,
    api: httpx.AsyncClient,
) -> None:
    unwanted, wanted = due_event(), due_event()
    async with api_scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, unwanted)
        endpoints = [(await api_scene.endpoint())[0] for _ in range(3)]
        await receive(pool, wanted)

    async def ids(**params: Any) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        cursor: str | None = None
        while True:
            query = {"limit": "2", **params} | ({"cursor": cursor} if cursor else {})
            answer = await api.get("/v1/deliveries", params=query)
            assert answer.status_code == 200, answer.text
            found += [(item["eventId"], item["endpointId"]) for item in answer.json()["items"]]
            cursor = answer.json()["nextCursor"]
            if cursor is None:
                return found

    pairs = {(wanted["eventId"], str(endpoint)) for endpoint in endpoints}
    everything = await ids()
    assert len(everything) == 4
    assert everything[-1] == (unwanted["eventId"], None)
    assert set(everything[:3]) == pairs
    assert set(await ids(eventId=wanted["eventId"])) == pairs
    assert await ids(endpointId=str(endpoints[0])) == [(wanted["eventId"], str(endpoints[0]))]
    assert await ids(userId=unwanted["metadata"]["userId"]) == [(unwanted["eventId"], None)]
    assert await ids(status="FAILED") == [(unwanted["eventId"], None)]
    assert set(await ids(status="PENDING")) == pairs
    assert await ids(status="SUCCEEDED") == []
    assert await ids(userId=str(uuid4()), status="PENDING") == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"eventId": "x"}, "eventId"),
        ({"endpointId": "x"}, "endpointId"),
        ({"userId": "x"}, "userId"),
        ({"status": "LOST"}, "status"),
        ({"cursor": "x"}, "cursor"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"limit": "201"}, "limit"),
        ({"order": "oldest"}, "order"),
    ],
)
async def test_a_bad_filter_is_named(api: httpx.AsyncClient, params: dict[str, str], field: str) -> None:
    answer = await api.get("/v1/deliveries", params=params)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_unknown_delivery_is_not_found(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"/v1/deliveries/{uuid4()}")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["field"] == "deliveryId"


async def test_a_delivery_that_waits_is_tried_at_once_or_cancelled(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    await api_scene.endpoint(retry_schedule=(3600.0,))
    receiver.answer(503, 503)
    hurried, cancelled = due_event(), due_event()

    async def waiting() -> dict[str, str]:
        items = (await api.get("/v1/deliveries", params={"status": "PENDING"})).json()["items"]
        return {each["eventId"]: each["id"] for each in items if each["nextAttemptAt"]}

    async with api_scene.pool() as pool:
        await receive(pool, hurried, cancelled)
        await eventually(lambda: _both(waiting()))
        ids = await waiting()
        answer = await api.post(f"/v1/deliveries/{ids[cancelled['eventId']]}/cancel")
        assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "FAILED", "cancelled")
        assert (await api.post(f"/v1/deliveries/{ids[hurried['eventId']]}/retry")).status_code == 200
        await receiver.wait_for(3)
        await eventually(lambda: _status(api, ids[hurried["eventId"]], "SUCCEEDED"))
    for verb in ("retry", "cancel"):
        refused = await api.post(f"/v1/deliveries/{ids[hurried['eventId']]}/{verb}")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:delivery-ended")
    found = (await api.get("/v1/deliveries", params={"reason": "cancelled"})).json()["items"]
    assert [each["eventId"] for each in found] == [cancelled["eventId"]]
    created = found[0]["createdAt"]
    assert len((await api.get("/v1/deliveries", params={"from": created, "reason": "cancelled"})).json()["items"]) == 1
    assert (await api.get("/v1/deliveries", params={"to": created, "reason": "cancelled"})).json()["items"] == []
    # What was cancelled is no dead letter, and can be sent after all.
    assert (await api.get("/v1/dead-letters")).json()["items"] == []
    assert (await api.post(f"/v1/deliveries/{found[0]['id']}/retry")).json()["status"] == "PENDING"


async def test_delivery_that_ended_with_its_endpoint_cannot_be_retried_while_it_is_disabled(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    endpoint_id, _ = await api_scene.endpoint(retry_schedule=(3600.0,))
    receiver.answer(503)

    async def waiting() -> list[str]:
        items = (await api.get("/v1/deliveries", params={"status": "PENDING"})).json()["items"]
        return [each["id"] for each in items if each["nextAttemptAt"]]

    async with api_scene.pool() as pool:
        await receive(pool, due_event())
        [delivery_id] = await eventually(waiting)
    await api.post(f"/v1/endpoints/{endpoint_id}/disable")
    refused = await api.post(f"/v1/deliveries/{delivery_id}/retry")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:not-redrivable")
    ended = (await api.get(f"/v1/deliveries/{delivery_id}")).json()
    assert (ended["status"], ended["reason"]) == ("FAILED", "disabled")


async def test_delivery_held_by_a_worker_is_unchanged(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    await api_scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    async with api_scene.pool() as pool:
        await receive(pool, due_event())
        await receiver.wait_for(1)
        [delivery] = (await api.get("/v1/deliveries")).json()["items"]
        for verb in ("retry", "cancel"):
            refused = await api.post(f"/v1/deliveries/{delivery['id']}/{verb}")
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:delivery-in-hand")
        gate.set()
        await eventually(lambda: _status(api, delivery["id"], "SUCCEEDED"))
    assert len(receiver.requests) == 1


async def _both(read: Awaitable[dict[str, str]]) -> bool:
    return len(await read) == 2


async def _status(api: httpx.AsyncClient, delivery_id: str, status: str) -> bool:
    return bool((await api.get(f"/v1/deliveries/{delivery_id}")).json()["status"] == status)
