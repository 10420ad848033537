"""What is counted of what costs money, and that a fleet's numbers add up in its database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import APIRouter

from chassis.api.app import create_app
from chassis.core.settings import ServiceSettings
from chassis.core.usage import Meter, Usage
from chassis.database import usage
from chassis.database.database import Database
from chassis.database.usage import Used
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import QueueConsumer
from chassis.messaging.publisher import Outgoing, Publisher
from chassis.service.runtime import open_runtime
from chassis.service.usage import UsageRecorder
from contracts import Topology
from testkit import eventually


async def _read(db: Database) -> dict[tuple[Meter, str, str], Used]:
    now = datetime.now(UTC)
    async with db.read() as connection:
        found = await usage.read(connection, now - timedelta(hours=2), now + timedelta(hours=1))
    return {(each.meter, each.operation, each.resource): each for each in found}


async def test_calls_are_counted_with_what_aws_bills_for_them(bus: Bus, topology: Topology) -> None:
    bus.usage.take()
    (topic, _), (queue,) = topology.topics, topology.queues
    messages = [Outgoing("x" * 70_000, {"eventType": "UserCreated"}), Outgoing("é" * 5, {"eventType": "UserCreated"})]
    assert await Publisher(bus).publish(topic.name, messages) == [None, None]

    async def nothing(_: object) -> None:
        raise AssertionError("nothing is to be rejected, and no gate stands in the way")

    received = 0
    consumer = QueueConsumer(bus, queue, nothing, reject=nothing, gate=nothing)  # type: ignore[arg-type]
    while received < 2:
        received += len(await consumer.receive())
    counted = bus.usage.take()
    published = {meter: counted[meter, "PublishBatch", topic.name] for meter in Meter if meter.startswith("aws")}
    # 70,000 bytes and a few begin two units.
    assert published == {Meter.AWS_CALLS: 1, Meter.AWS_UNITS: 2, Meter.AWS_MESSAGES: 2}
    assert counted[Meter.AWS_MESSAGES, "ReceiveMessage", queue.name] == 2
    calls = counted[Meter.AWS_CALLS, "ReceiveMessage", queue.name]
    assert counted[Meter.AWS_UNITS, "ReceiveMessage", queue.name] == calls + 1
    assert not bus.usage.take()


async def test_a_call_without_an_answer_is_not_billed(settings: ServiceSettings, topology: Topology) -> None:
    async with Bus(settings.model_copy(update={"aws_endpoint_url": "http://127.0.0.1:9"}), topology) as away:
        assert (await Publisher(away).publish(topology.topics[0].name, [Outgoing("x", {})]))[0]
        assert not away.usage.take()


async def test_the_processes_of_a_fleet_add_up(db: Database) -> None:
    ours, theirs = Usage(), Usage()
    recorders = [UsageRecorder(db, each, process="api relay") for each in (ours, theirs, ours)]
    for counted in (ours, theirs):
        counted.add(Meter.AWS_CALLS, "ReceiveMessage", "bday-analytics", 3)
    await asyncio.gather(*(each.record() for each in recorders))
    found = await _read(db)
    assert found[Meter.AWS_CALLS, "ReceiveMessage", "bday-analytics"].amount == 6
    cpu, memory = (found[meter, "", "api relay"] for meter in (Meter.CPU_SECONDS, Meter.MEMORY_GIB_SECONDS))
    assert cpu.amount > 0
    assert memory.amount > 0
    assert cpu.first_at < cpu.last_at


async def test_usage_that_cannot_be_recorded_is_kept_for_the_next_time(db: Database, url: str) -> None:
    counted = Usage()
    away = Database(f"{url}_missing")
    counted.add(Meter.AWS_CALLS, "PublishBatch", "bday-domain-events", 5)
    await UsageRecorder(away, counted, process="relay").record()
    await away.close()
    await UsageRecorder(db, counted, process="relay").record()
    found = await _read(db)
    assert found[Meter.AWS_CALLS, "PublishBatch", "bday-domain-events"].amount == 5


async def test_a_process_records_again_and_again_and_once_more_at_its_end(db: Database) -> None:
    counted, stopping = Usage(), asyncio.Event()
    recorder = UsageRecorder(db, counted, process="worker", every_seconds=0.01)
    await recorder.close()
    assert not await _read(db), "what never began, for want of a schema, has nothing to end"
    running = asyncio.create_task(recorder.run(stopping))
    await eventually(lambda: _read(db))
    stopping.set()
    await running
    counted.add(Meter.AWS_CALLS, "DeleteMessageBatch", "bday-events-low")
    await recorder.close()
    assert (await _read(db))[Meter.AWS_CALLS, "DeleteMessageBatch", "bday-events-low"].amount == 1


@pytest.fixture
async def client(settings: ServiceSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with open_runtime(settings, name="test") as runtime:
        app = create_app(
            "test", routers=[APIRouter()], problems={}, keys=settings.api_keys, readiness=runtime.readiness,
            database=runtime.database, clock=runtime.clock, outbox=runtime.outbox, cache=runtime.cache,
        )  # fmt: skip
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": "Bearer reader"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as opened:
            yield opened


async def test_usage_is_returned_by_whole_hours_and_by_default_for_a_day(
    client: httpx.AsyncClient, db: Database
) -> None:
    counted = Usage()
    counted.add(Meter.AWS_UNITS, "ReceiveMessage", "bday-analytics", 7)
    await UsageRecorder(db, counted, process="api").record()
    body = (await client.get("/v1/usage")).json()
    (units,) = (item for item in body["items"] if item["meter"] == "aws_units")
    assert (units["operation"], units["resource"], units["amount"]) == ("ReceiveMessage", "bday-analytics", 7)
    since, until = (datetime.fromisoformat(body[name]) for name in ("since", "until"))
    assert until - since == timedelta(days=1)
    earlier = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-02T00:00:00Z"}
    assert (await client.get("/v1/usage", params=earlier)).json()["items"] == []


async def test_usage_refuses_a_range_that_ends_before_it_begins_and_a_key_that_may_not_read(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/v1/usage", params={"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "from")
    assert (await client.get("/v1/usage", headers={"Authorization": "Bearer writer"})).status_code == 403
