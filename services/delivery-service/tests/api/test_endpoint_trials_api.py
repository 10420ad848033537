"""Whether an endpoint works: a test event and its answer, and how it has done lately."""

from uuid import UUID

import httpx
import pytest
from delivery_scene import Scene, due_event, receive
from standardwebhooks import Webhook

from contracts.vocabulary import Channel
from testkit import Answer, Receiver


async def test_event_is_signed_and_its_response_is_returned(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    endpoint_id, secret = await api_scene.endpoint(enabled=False, headers={"X-Team": "almanac"})
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
    api_scene: Scene,
    api: httpx.AsyncClient,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    await api_scene.rows("UPDATE endpoints SET url = 'http://169.254.169.254/latest/'")
    told = (await api.post(f"/v1/endpoints/{endpoint_id}/test")).json()
    assert (told["status"], told["error"], told["httpStatus"]) == ("retry", "forbidden_address", None)


async def test_a_test_of_a_channel_to_persons_says_to_whom(
    api_scene: Scene,
    api: httpx.AsyncClient,
) -> None:
    sms, _ = await api_scene.endpoint(kind=Channel.SMS, url=None)
    nobody = await api.post(f"/v1/endpoints/{sms}/test", json={"email": "ada@example.org"})
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (422, "phone")
    told = (await api.post(f"/v1/endpoints/{sms}/test", json={"phone": "+4915112345678"})).json()
    assert (told["status"], told["httpStatus"]) == ("succeeded", 200)


@pytest.mark.parametrize(
    ("body", "field"), [({"email": "ada"}, "email"), ({"phone": "0151"}, "phone"), ({"url": "https://x.org"}, "url")]
)
async def test_a_bad_test_is_named(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
    body: dict[str, str],
    field: str,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    answer = await api.post(f"/v1/endpoints/{endpoint_id}/test", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert receiver.requests == []


async def test_an_unknown_endpoint_cannot_be_tested(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"/v1/endpoints/{UUID(int=0)}/test")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "endpointId")


async def test_statistics_say_how_an_endpoint_has_done(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    path = f"/v1/endpoints/{endpoint_id}/stats"
    nothing = (await api.get(path)).json()
    assert nothing["deliveries"] == 0
    assert [nothing[name] for name in ("successRate", "latency", "lastError")] == [None, None, None]
    receiver.answer(200, 503, 200, Answer(404, body=b"who?"))
    async with api_scene.pool() as pool:
        for expected in (1, 2, 3):
            await receive(pool, due_event())
            await api_scene.ended(expected)
    told = (await api.get(path)).json()
    assert [told[name] for name in ("deliveries", "pending", "succeeded", "failed", "attempts")] == [3, 0, 2, 1, 4]
    assert told["successRate"] == pytest.approx(2 / 3)
    assert 0 < told["latency"]["p50"] <= told["latency"]["p95"] <= told["latency"]["p99"]
    assert (told["lastError"]["httpStatus"], told["lastError"]["excerpt"]) == (404, "who?")
    assert (told["circuit"]["state"], told["circuit"]["failuresInRow"]) == ("CLOSED", 1)
    assert told["circuit"]["failingSince"] is not None
    moved = await api.patch(
        f"/v1/endpoints/{endpoint_id}", json={"url": "https://example.org/hooks"}, headers={"If-Match": "*"}
    )
    assert moved.status_code == 200
    circuit = (await api.get(path)).json()["circuit"]
    assert circuit == {"state": "CLOSED", "failuresInRow": 0, "failingSince": None, "probeAt": None}
    missing = await api.get(f"/v1/endpoints/{UUID(int=0)}/stats")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (404, "endpointId")


async def test_an_endpoint_that_is_switched_on_again_has_a_clean_slate(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    # It failed for a month, and would be switched off by its next failure.
    await api_scene.rows(
        "INSERT INTO circuits VALUES (:id, 'OPEN', 9, 9, clock_timestamp(), 900, clock_timestamp() - interval '30 d',"
        " 5, clock_timestamp() + interval '1 hour')",
        id=endpoint_id,
    )
    for verb in ("disable", "enable"):
        assert (await api.post(f"/v1/endpoints/{endpoint_id}/{verb}")).status_code == 200
    receiver.answer(503)
    async with api_scene.pool() as pool:
        await receive(pool, due_event())
        await api_scene.ended()
    assert len(receiver.requests) == 2
    assert (await api.get(f"/v1/endpoints/{endpoint_id}")).json()["enabled"] is True
