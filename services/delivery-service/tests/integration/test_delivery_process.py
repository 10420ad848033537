"""The service as a process of its own: all roles, killed in the middle, started again, and stopped cleanly."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from delivery_scene import Scene, due_event

from chassis.messaging import provisioning
from chassis.messaging.publisher import Outgoing
from chassis.service.runtime import Runtime
from contracts.due import parse_due_event
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.messages.parsing import parse_message
from contracts.vocabulary import EventType, OutcomeStatus
from delivery_service.settings import Settings
from local_stack import ports
from testkit import Answer, AwsAccount, OtlpReceiver, Receiver, eventually

TOKEN = "of-the-receiver"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_process_killed_during_a_post_loses_nothing_and_another_continues(
    api_scene: Scene,
    runtime: Runtime[Settings],
    aws: AwsAccount,
    receiver: Receiver,
    otlp: OtlpReceiver,
    tmp_path: Path,
) -> None:
    await provisioning.apply(runtime.bus)
    port = ports.free_port()
    environment = _environment(runtime, aws, port) | {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint}
    log = tmp_path / "log"
    calm, cut_off = due_event(), due_event()

    gate = asyncio.Event()
    receiver.answer(200, Answer(gate=gate))
    async with _process(environment, log, port) as (process, api):
        created = await api.post("/v1/endpoints", json={"url": receiver.url, "headers": {"X-Token": TOKEN}})
        assert created.status_code == 201
        secret = created.json()["secret"]
        await _publish(runtime, calm)
        [posted] = await otlp.wait_for(
            lambda span: span.kind == "CLIENT" and span.attributes.get("event.id") == calm["eventId"], count=1
        )
        [processed] = await otlp.wait_for(
            lambda span: span.kind == "CONSUMER" and span.attributes.get("event.id") == calm["eventId"], count=1
        )
        await _publish(runtime, cut_off)
        await receiver.wait_for(2)
        process.kill()
        await process.wait()
    gate.set()
    # As if the lease's time had passed.
    await api_scene.rows("UPDATE deliveries SET due_at = clock_timestamp() WHERE status = 'PENDING'")

    async with _process(environment, log, port) as (process, api):
        await receiver.wait_for(3)
        outcomes = await _outcomes(runtime, 2)
        page = (await api.get("/v1/deliveries", params={"status": "SUCCEEDED"})).json()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

    webhook_ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert webhook_ids == [calm["eventId"], cut_off["eventId"], cut_off["eventId"]]
    assert {item["eventId"] for item in page["items"]} == {calm["eventId"], cut_off["eventId"]}
    assert {event_id: item.status for event_id, item in outcomes.items()} == {
        calm["eventId"]: OutcomeStatus.SUCCEEDED,
        cut_off["eventId"]: OutcomeStatus.SUCCEEDED,
    }
    text = log.read_text()
    recorded = repr(await api_scene.rows("SELECT CAST(to_jsonb(a) AS text) FROM attempts a"))
    spans = repr([span.attributes for span in otlp.spans])
    assert {request.headers["x-token"] for request in receiver.requests} == {TOKEN}
    for confidential in (secret, TOKEN, environment["SECRET_KEYS"], "ada@example.org"):
        assert confidential not in text
        assert confidential not in recorded
        assert confidential not in spans
    assert '"level": "error"' not in text

    # One trace: publication (ours here) → process → POST, and the outcome belongs to it.
    assert processed.parent_id == TRACEPARENT[36:52]
    assert posted.parent_id == processed.span_id
    assert posted.trace_id == processed.trace_id == TRACEPARENT[3:35]
    assert posted.attributes["http.response.status_code"] == 200
    assert receiver.requests[0].headers["traceparent"] == f"00-{posted.trace_id}-{posted.span_id}-01"
    assert outcomes[calm["eventId"]].traceparent == f"00-{processed.trace_id}-{processed.span_id}-01"


async def test_sigterm_lets_fifty_posts_in_flight_end_and_records_each(
    api_scene: Scene,
    runtime: Runtime[Settings],
    aws: AwsAccount,
    receiver: Receiver,
    api: httpx.AsyncClient,
    tmp_path: Path,
) -> None:
    await provisioning.apply(runtime.bus)
    # An endpoint that has not answered yet gets ten attempts at a time.
    for _ in range(5):
        await api_scene.endpoint()
    gate = asyncio.Event()
    receiver.always(Answer(gate=gate))
    dues = [due_event() for _ in range(10)]
    port = ports.free_port()
    environment = _environment(runtime, aws, port) | {"SLOTS_CRITICAL": "150"}
    async with _process(environment, tmp_path / "log", port) as (process, _):
        await _publish(runtime, *dues)
        await receiver.wait_for(50)
        process.send_signal(signal.SIGTERM)
        gate.set()
        assert await process.wait() == 0
    page = (await api.get("/v1/deliveries", params={"limit": 100})).json()
    assert [(each["status"], each["attempts"]) for each in page["items"]] == [("SUCCEEDED", 1)] * 50
    assert len(receiver.requests) == 50


async def test_a_process_killed_before_during_and_after_its_posts_repeats_only_what_it_could_not_record(
    api_scene: Scene,
    runtime: Runtime[Settings],
    aws: AwsAccount,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    await provisioning.apply(runtime.bus)
    await api_scene.endpoint(concurrency=1)
    gate = asyncio.Event()
    receiver.answer(200, Answer(gate=gate))
    recorded, *others = (due_event() for _ in range(5))
    port = ports.free_port()
    environment = _environment(runtime, aws, port)
    async with _process(environment, tmp_path / "log", port) as (process, _):
        await _publish(runtime, recorded)
        done = "SELECT 1 FROM deliveries WHERE status = 'SUCCEEDED'"
        await eventually(lambda: api_scene.rows(done))
        # One is in flight, and the endpoint takes one at a time: the others have been ingested and not sent.
        await _publish(runtime, *others)
        await receiver.wait_for(2)
        there = "SELECT 1 FROM deliveries HAVING count(*) = 5"
        await eventually(lambda: api_scene.rows(there))
        process.kill()
        await process.wait()
    gate.set()
    under_way = receiver.requests[1].headers["webhook-id"]
    # As if the leases' time had passed.
    await api_scene.rows("UPDATE deliveries SET due_at = clock_timestamp() WHERE status = 'PENDING'")
    async with _process(environment, tmp_path / "log", port) as (_, api):
        finished = "SELECT 1 FROM deliveries HAVING count(*) FILTER (WHERE status = 'SUCCEEDED') = 5"
        await eventually(lambda: api_scene.rows(finished))
        page = (await api.get("/v1/deliveries")).json()
    # An attempt with an unknown result is not counted.
    assert [(each["status"], each["attempts"]) for each in page["items"]] == [("SUCCEEDED", 1)] * 5
    sent = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert sent == {due["eventId"]: 1 for due in (recorded, *others)} | {under_way: 2}


def _environment(runtime: Runtime[Settings], aws: AwsAccount, port: int) -> dict[str, str]:
    return os.environ | {
        **aws.environment(),
        "SECRET_KEYS": b64encode(b"k" * 32).decode(),
        "WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "WEBHOOK_ALLOWED_PORTS": "[]",
        "DATABASE_URL": runtime.settings.database_url.get_secret_value(),
        "API_PORT": str(port),
        "API_KEYS": json.dumps(
            [{"name": "t", "sha256": hashlib.sha256(b"key").hexdigest(), "scopes": ["read", "write"]}]
        ),
    }


async def _publish(runtime: Runtime[Settings], *dues: dict[str, Any]) -> None:
    bodies = [json.dumps(due) for due in dues]
    messages = [Outgoing(body, parse_due_event(body).attributes(TRACEPARENT)) for body in bodies]
    topic = runtime.topology.topic(EventType.BIRTHDAY).name
    assert await runtime.publisher.publish(topic, messages) == [None] * len(dues)


@asynccontextmanager
async def _process(
    environment: dict[str, str], log: Path, port: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "delivery_service", "run", env=environment, stdout=file, stderr=file
        )
    headers = {"Authorization": "Bearer key"}
    try:
        async with httpx.AsyncClient(base_url=f"http://{ports.LOOPBACK}:{port}", headers=headers) as api:

            async def ready() -> bool:
                try:
                    return (await api.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(ready)
            yield process, api
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _outcomes(runtime: Runtime[Settings], count: int) -> dict[str, DeliveryOutcomeItem]:
    """The outcomes of `count` events, by event. The relay of a killed process may have sent one twice."""
    url = await runtime.bus.queue_url(runtime.topology.queue("delivery-outcomes").name)
    outcomes: dict[str, DeliveryOutcomeItem] = {}

    async def receive() -> bool:
        answer = await runtime.bus.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", ()):
            for item in parse_message(message["Body"]).items:
                assert isinstance(item, DeliveryOutcomeItem)
                outcomes[str(item.event_id)] = item
        return len(outcomes) >= count

    await eventually(receive)
    return outcomes
