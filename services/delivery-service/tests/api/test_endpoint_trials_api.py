"""`POST /v1/endpoints/{id}/test`: what a test event is, and what is told of its answer."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from standardwebhooks import Webhook

from chassis.runtime import Runtime
from delivery_service.domain.endpoints import Kind
from delivery_service.settings import Settings
from local_stack.testkit import Answer, Receiver

NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]


async def test_a_test_event_is_signed_and_its_answer_is_told(
    api: httpx.AsyncClient, runtime: Runtime[Settings], receiver: Receiver, new_endpoint: NewEndpoint
) -> None:
    endpoint_id, secret = await new_endpoint(runtime.database, enabled=False, headers={"X-Team": "almanac"})
    receiver.answer(Answer(503, headers={"Server": "theirs", "Retry-After": "9"}, body=b"not yet"), 200)
    told = await api.post(f"/v1/endpoints/{endpoint_id}/test")
    assert told.status_code == 200
    body = told.json()
    assert [body[name] for name in ("status", "httpStatus", "error", "excerpt")] == ["retry", 503, None, "not yet"]
    assert (body["headers"]["server"], body["headers"]["retry-after"]) == ("theirs", "9")
    assert body["durationSeconds"] > 0
    again = await api.post(f"/v1/endpoints/{endpoint_id}/test", json={})
    assert again.json()["status"] == "succeeded"
    first, second = receiver.requests
    event = Webhook(secret).verify(first.body, dict(first.headers))
    assert event["type"] == "test"
    assert event["data"]["endpointId"] == str(endpoint_id)
    assert first.headers["x-team"] == "almanac"
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert body["traceId"] in first.headers["traceparent"]
    deliveries = await api.get("/v1/deliveries")
    assert deliveries.json()["items"] == []


async def test_a_test_event_goes_nowhere_that_an_event_would_not(
    api: httpx.AsyncClient, runtime: Runtime[Settings], new_endpoint: NewEndpoint, rows: Callable[..., Awaitable[Any]]
) -> None:
    endpoint_id, _ = await new_endpoint(runtime.database)
    await rows(runtime.database, "UPDATE endpoints SET url = 'http://169.254.169.254/latest/'")
    told = (await api.post(f"/v1/endpoints/{endpoint_id}/test")).json()
    assert (told["status"], told["error"], told["httpStatus"]) == ("retry", "forbidden_address", None)


async def test_a_test_of_a_channel_to_persons_says_to_whom(
    api: httpx.AsyncClient, runtime: Runtime[Settings], new_endpoint: NewEndpoint
) -> None:
    sms, _ = await new_endpoint(runtime.database, kind=Kind.SMS, url=None)
    nobody = await api.post(f"/v1/endpoints/{sms}/test", json={"email": "ada@example.org"})
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (422, "phone")
    told = (await api.post(f"/v1/endpoints/{sms}/test", json={"phone": "+4915112345678"})).json()
    assert (told["status"], told["httpStatus"]) == ("succeeded", 200)


@pytest.mark.parametrize(
    ("body", "field"), [({"email": "ada"}, "email"), ({"phone": "0151"}, "phone"), ({"url": "https://x.org"}, "url")]
)
async def test_a_bad_test_is_named(
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    new_endpoint: NewEndpoint,
    receiver: Receiver,
    body: dict[str, str],
    field: str,
) -> None:
    endpoint_id, _ = await new_endpoint(runtime.database)
    answer = await api.post(f"/v1/endpoints/{endpoint_id}/test", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert receiver.requests == []


async def test_an_unknown_endpoint_cannot_be_tested(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"/v1/endpoints/{UUID(int=0)}/test")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "endpointId")
