"""``/v1/dead-letters``: dead letters are found, redriven and discarded."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
from delivery_scene import Scene, due_event, receive
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.service.runtime import Runtime
from contracts.messages.delivery import DeadLetteredItem, DeliveryOutcomeItem
from contracts.vocabulary import EventType, OutcomeStatus
from delivery_service.application import delivery_metrics
from delivery_service.application.dead_letters import dead_letter_sink
from delivery_service.application.redrives import Redriver
from delivery_service.settings import Settings
from testkit import Answer, Receiver, eventually

Outcomes = Callable[..., Awaitable[list[DeliveryOutcomeItem]]]
Letters = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def letters(api: httpx.AsyncClient) -> Letters:
    """`await letters(reason=…)`: what the API lists."""

    async def read(**params: Any) -> list[dict[str, Any]]:
        answer = await api.get("/v1/dead-letters", params=params)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    return read


async def test_an_exhausted_delivery_is_a_dead_letter_that_can_be_redriven_to_success(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
    letters: Letters,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    receiver.always(503)
    due = due_event()
    async with api_scene.pool() as pool:
        await receive(pool, due, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        [letter] = await eventually(letters)
        assert (letter["status"], letter["reason"], letter["detail"]) == ("OPEN", "exhausted", "HTTP 503")
        assert (letter["eventId"], letter["endpointId"]) == (due["eventId"], str(endpoint_id))
        assert (letter["eventType"], letter["attempts"], letter["httpStatus"]) == ("BIRTHDAY", 3, 503)
        assert letter["traceId"]
        one = (await api.get(f"/v1/dead-letters/{letter['id']}")).json()
        assert json.loads(one["payload"]) == json.loads(json.dumps(due))
        [announced] = await api_scene.rows("SELECT item FROM outbox WHERE type = 'DeadLettered'")
        item = DeadLetteredItem.model_validate_json(announced.item)
        assert (str(item.dead_letter_id), item.reason, item.endpoint_id) == (letter["id"], "exhausted", endpoint_id)

        receiver.always(200)
        answer = await api.post(f"/v1/dead-letters/{letter['id']}/redrive")
        assert (answer.status_code, answer.json()["status"]) == (200, "REDRIVEN")
        await api_scene.ended(2)
    failed, succeeded = await api_scene.outcomes()
    assert (failed.status, succeeded.status) == (OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED)
    assert (failed.event_id, failed.attempt) == (succeeded.event_id, succeeded.attempt)
    assert {request.headers["webhook-id"] for request in receiver.requests} == {due["eventId"]}
    again = await api.post(f"/v1/dead-letters/{letter['id']}/redrive")
    assert (again.status_code, again.json()["type"]) == (409, "urn:almanac:problem:dead-letter-not-open")
    assert len(receiver.requests) == 4


async def test_a_redrive_does_not_count_as_lateness(
    api_scene: Scene, api: httpx.AsyncClient, receiver: Receiver, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests' process has no meter provider: this instrument is of one that can be read.
    reader = InMemoryMetricReader()
    lateness = MeterProvider([reader]).get_meter("tests").create_histogram("almanac_delivery_lateness")
    monkeypatch.setattr(delivery_metrics, "_lateness", lateness)
    measured = partial(_count, reader)
    await api_scene.endpoint()
    receiver.always(503)
    async with api_scene.pool() as pool:
        await receive(pool, due_event())
        [letter] = await eventually(letters)
        await eventually(lambda: measured() == 1)
        receiver.always(200)
        await api.post(f"/v1/dead-letters/{letter['id']}/redrive")
        await api_scene.ended(2)
        # What ends later is measured later: by then the redrive would have been.
        await receive(pool, due_event())
        await eventually(lambda: measured() == 2)
        await api_scene.ended(3)
    assert measured() == 2


def _count(reader: InMemoryMetricReader) -> int:
    data = reader.get_metrics_data()
    return sum(
        point.count
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint)
    )


async def test_deliveries_of_a_disabled_endpoint_are_redriven_once_it_is_enabled(
    api_scene: Scene,
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    receiver: Receiver,
    letters: Letters,
) -> None:
    endpoint_id, _ = await api_scene.endpoint()
    async with api_scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, due_event(), due_event())
    assert (await api.post(f"/v1/endpoints/{endpoint_id}/disable", json={"reason": "moving"})).status_code == 200
    async with api_scene.pool():
        found = await eventually(lambda: _all(letters, 2))
        assert {(each["reason"], each["attempts"]) for each in found} == {("disabled", 0)}
        refused = await api.post(f"/v1/dead-letters/{found[0]['id']}/redrive")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:not-redrivable")
        assert receiver.requests == []
        assert (await api.post(f"/v1/endpoints/{endpoint_id}/enable")).status_code == 200
        answer = await api.post("/v1/dead-letters/redrive", json={"endpointId": str(endpoint_id)})
        assert answer.json()["total"] == 2
        await Redriver(runtime.database, runtime.outbox, horizon=60).step()
        await receiver.wait_for(2)
        outcomes = await api_scene.ended(4)
    assert [item.status for item in outcomes] == [OutcomeStatus.FAILED] * 2 + [OutcomeStatus.SUCCEEDED] * 2


async def test_what_has_expired_gets_a_further_day_by_a_redrive(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
    letters: Letters,
) -> None:
    await api_scene.endpoint()
    async with api_scene.pool() as pool:
        await receive(pool, due_event(expires_in=timedelta(seconds=-1)))
        [letter] = await eventually(letters)
        assert (letter["reason"], letter["attempts"], receiver.requests) == ("expired", 0, [])
        assert (await api.post(f"/v1/dead-letters/{letter['id']}/redrive")).status_code == 200
        await receiver.wait_for(1)
        await api_scene.ended(2)
    delivery = (await api.get(f"/v1/deliveries/{letter['deliveryId']}")).json()
    assert delivery["status"] == "SUCCEEDED"
    assert datetime.fromisoformat(delivery["expiresAt"]) > datetime.now(UTC) + timedelta(hours=23)


async def test_an_event_that_no_endpoint_wanted_is_matched_again_by_a_redrive(
    api_scene: Scene,
    api: httpx.AsyncClient,
    receiver: Receiver,
    letters: Letters,
) -> None:
    due = due_event(tags=["vip"])
    async with api_scene.pool() as pool:
        await receive(pool, due)
        [letter] = await letters()
        assert (letter["reason"], letter["deliveryId"], letter["endpointId"]) == ("no_endpoint", None, None)
        refused = await api.post(f"/v1/dead-letters/{letter['id']}/redrive")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:not-redrivable")
        assert [each["status"] for each in await letters()] == ["OPEN"]
        await api_scene.endpoint(tags=("vip",))
        assert (await api.post(f"/v1/dead-letters/{letter['id']}/redrive")).status_code == 200
        await receiver.wait_for(1)
        await api_scene.ended(2)
    assert receiver.requests[0].headers["webhook-id"] == due["eventId"]
    assert (await api_scene.outcomes())[-1].status is OutcomeStatus.SUCCEEDED


async def test_a_message_that_could_not_be_read_is_read_again_by_a_redrive(
    api_scene: Scene,
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    receiver: Receiver,
    letters: Letters,
) -> None:
    await api_scene.endpoint()
    due = due_event()
    keep = dead_letter_sink(runtime.database, runtime.outbox, "bday-events-critical")
    attributes = {"eventId": due["eventId"], "eventType": "BIRTHDAY", "priority": "CRITICAL", "userId": "nobody"}
    for _ in range(2):
        message = ReceivedMessage("m1", "not JSON\0", attributes, "handle", 1, 0.0)
        await keep([Rejection(message, "poison", "not JSON")])
    [letter] = await letters(reason="poison")
    assert (letter["eventId"], letter["userId"], letter["priority"]) == (due["eventId"], None, "CRITICAL")
    assert (letter["detail"], letter["queue"]) == ("not JSON", "bday-events-critical")
    assert (await api.post(f"/v1/dead-letters/{letter['id']}/redrive")).status_code == 409
    # As if a newer version of the code could read it.
    await api_scene.rows("UPDATE delivery_dead_letters SET payload = :due", due=json.dumps(due))
    assert (await api.post(f"/v1/dead-letters/{letter['id']}/redrive")).status_code == 200
    async with api_scene.pool():
        [request] = await receiver.wait_for(1)
    assert request.headers["webhook-id"] == due["eventId"]


async def test_many_are_redriven_by_filter_in_batches_with_progress(
    api_scene: Scene,
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    receiver: Receiver,
    letters: Letters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("delivery_service.application.redrives.BATCH", 3)
    off, _ = await api_scene.endpoint(event_types=("NOTIFICATION",))
    await api_scene.endpoint(event_types=("BIRTHDAY",))
    receiver.always(Answer(400))
    async with api_scene.pool() as pool:
        dues = [due_event() for _ in range(8)]
        await receive(pool, *dues, due_event(event_type=EventType.NOTIFICATION))
        await eventually(lambda: _all(letters, 9))
    await api_scene.rows("UPDATE endpoints SET enabled = false WHERE id = :id", id=off)
    receiver.always(200)

    answer = await api.post("/v1/dead-letters/redrive", json={"reason": "rejected"})
    assert (answer.status_code, answer.json()["total"], answer.json()["finishedAt"]) == (202, 9, None)
    redrivers = [Redriver(runtime.database, runtime.outbox, horizon=60) for _ in range(2)]
    await redrivers[0].step()
    halfway = (await api.get(answer.headers["Location"])).json()
    assert (halfway["redriven"] + halfway["skipped"], halfway["finishedAt"]) == (3, None)
    for _ in range(2):
        for redriver in redrivers:
            await redriver.step()
    done = (await api.get(answer.headers["Location"])).json()
    assert (done["redriven"], done["skipped"]) == (8, 1)
    assert done["finishedAt"] is not None
    async with api_scene.pool():
        await receiver.wait_for(9 + 8)
    [left] = await letters(status="OPEN")
    assert left["endpointId"] == str(off)


async def test_a_redrive_that_is_cancelled_leaves_the_rest_open(
    api_scene: Scene,
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    letters: Letters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("delivery_service.application.redrives.BATCH", 2)
    async with api_scene.pool(claiming=False) as pool:
        await receive(pool, *(due_event() for _ in range(5)))
    await api_scene.endpoint()
    begun = await api.post("/v1/dead-letters/redrive", json={"reason": "no_endpoint"})
    redriver = Redriver(runtime.database, runtime.outbox, horizon=60)
    await redriver.step()
    stopped = await api.post(f"{begun.headers['Location']}/cancel")
    assert (stopped.status_code, stopped.json()["cancelled"], stopped.json()["redriven"]) == (200, True, 2)
    assert stopped.json()["finishedAt"] is not None
    await redriver.step()
    assert (await api.get(begun.headers["Location"])).json() == stopped.json()
    assert len(await letters(status="OPEN")) == 3
    again = await api.post(f"{begun.headers['Location']}/cancel")
    assert (again.status_code, again.json()["type"]) == (409, "urn:almanac:problem:redrive-ended")
    unknown = await api.post(f"/v1/dead-letters/redrives/{uuid4()}/cancel")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (404, "redriveId")


async def test_one_that_can_no_longer_be_read_holds_up_no_other(
    api_scene: Scene,
    api: httpx.AsyncClient,
    runtime: Runtime[Settings],
    letters: Letters,
) -> None:
    async with api_scene.pool(claiming=False) as pool:
        await receive(pool, due_event(), due_event())
    await api_scene.endpoint()
    old, _ = await letters()
    # As if it came from a version of long ago.
    await api_scene.rows("UPDATE delivery_dead_letters SET payload = '{}' WHERE id = :id", id=old["id"])
    begun = await api.post("/v1/dead-letters/redrive", json={"reason": "no_endpoint"})
    await Redriver(runtime.database, runtime.outbox, horizon=60).step()
    done = (await api.get(begun.headers["Location"])).json()
    assert (done["redriven"], done["skipped"]) == (1, 1)
    assert [each["id"] for each in await letters(status="OPEN")] == [old["id"]]
    alone = await api.post(f"/v1/dead-letters/{old['id']}/redrive")
    assert (alone.status_code, alone.json()["type"]) == (409, "urn:almanac:problem:not-redrivable")


async def test_dead_letters_are_found_by_each_filter_and_paged(
    api_scene: Scene,
    api: httpx.AsyncClient,
    letters: Letters,
) -> None:
    dues = [due_event(), due_event(event_type=EventType.REMINDER), due_event(event_type=EventType.REMINDER)]
    async with api_scene.pool(claiming=False) as pool:
        for due in dues:
            await receive(pool, due)
    [birthday] = await letters(eventType="BIRTHDAY")
    assert birthday["eventId"] == dues[0]["eventId"]
    assert len(await letters(eventType="REMINDER", reason="no_endpoint")) == 2
    assert [each["eventId"] for each in await letters(eventId=dues[1]["eventId"])] == [dues[1]["eventId"]]
    assert await letters(endpointId=str(uuid4())) == []
    assert len(await letters(to=birthday["createdAt"])) == 0
    assert len(await letters(**{"from": birthday["createdAt"]})) == 3
    first = (await api.get("/v1/dead-letters", params={"limit": 2})).json()
    second = (await api.get("/v1/dead-letters", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    pages = [each["eventId"] for page in (first, second) for each in page["items"]]
    assert pages == [due["eventId"] for due in reversed(dues)]
    assert second["nextCursor"] is None


async def test_what_is_discarded_stays_to_be_read_with_its_note_and_cannot_be_redriven(
    api_scene: Scene,
    api: httpx.AsyncClient,
    letters: Letters,
) -> None:
    async with api_scene.pool(claiming=False) as pool:
        await receive(pool, *(due_event() for _ in range(3)))
    first, *_ = await letters()
    answer = await api.post(f"/v1/dead-letters/{first['id']}/discard", json={"note": "a test"})
    assert (answer.status_code, answer.json()["note"], answer.json()["status"]) == (200, "a test", "DISCARDED")
    for verb, body in (("discard", {"note": "again"}), ("redrive", None)):
        refused = await api.post(f"/v1/dead-letters/{first['id']}/{verb}", json=body)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:almanac:problem:dead-letter-not-open")
    many = await api.post("/v1/dead-letters/discard", json={"eventType": "BIRTHDAY", "note": "all of them"})
    assert many.json() == {"discarded": 2}
    assert {each["status"] for each in await letters()} == {"DISCARDED"}


async def test_a_further_attempt_of_the_event_closes_its_dead_letters(
    api_scene: Scene,
    receiver: Receiver,
    letters: Letters,
) -> None:
    await api_scene.endpoint()
    receiver.answer(400)
    due = due_event()
    async with api_scene.pool() as pool:
        await receive(pool, due)
        await eventually(letters)
        await receive(pool, {**due, "metadata": {**due["metadata"], "attempt": 2}})
        await receiver.wait_for(2)
    assert [each["status"] for each in await letters()] == ["REDRIVEN"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("redrive", {}, ""),
        ("redrive", {"reason": "No"}, "reason"),
        ("redrive", {"from": "yesterday"}, "from"),
        ("redrive", {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("discard", {"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "note": "old"}, "from"),
        ("redrive", {"since": "2026-01-01T00:00:00Z"}, "since"),
        ("discard", {"reason": "expired"}, "note"),
        ("discard", {"note": "why not"}, ""),
        ("discard", {"note": "", "reason": "expired"}, "note"),
    ],
)
async def test_a_bad_filter_is_named_and_changes_nothing(
    api: httpx.AsyncClient,
    path: str,
    body: dict[str, Any],
    field: str,
) -> None:
    answer = await api.post(f"/v1/dead-letters/{path}", json=body)
    assert answer.status_code == 422
    assert field in next(error["field"] for error in answer.json()["errors"])


@pytest.mark.parametrize("path", ["/v1/dead-letters/{}", "/v1/dead-letters/redrives/{}"])
async def test_an_unknown_one_is_not_found(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path.format(uuid4()))).status_code == 404


async def _all(letters: Letters, count: int) -> list[dict[str, Any]]:
    found = await letters()
    return found if len(found) >= count else []
