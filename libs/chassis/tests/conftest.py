"""The chassis' tables on real PostgreSQL, and one small topology on a real bus."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
import structlog

from chassis.core.settings import ApiKey, ServiceSettings
from chassis.database.database import Database
from chassis.database.schema import CREATE_V1, CREATE_V2, CREATE_V3, CREATE_V4
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from contracts import Bus as Carrier
from contracts import Topology, build_topology
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory

ReceiveAll = Callable[[str, int], Awaitable[list[dict[str, Any]]]]


@pytest.fixture(autouse=True, scope="session")
def plain_tracebacks() -> None:
    """Drawing a traceback with every frame's variables takes seconds, and tests provoke many."""
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


@pytest.fixture
async def url(database: DatabaseFactory) -> str:
    """A database with the chassis' tables."""
    address = await database("")
    connection = await asyncpg.connect(address)
    await connection.execute(CREATE_V1 + CREATE_V2 + CREATE_V3 + CREATE_V4)
    await connection.close()
    return address


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    opened = Database(url)
    yield opened
    await opened.close()


@pytest.fixture
async def settings(url: str, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """A service's settings, with the keys `reader`, `writer` and `boss`."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    keys = [
        ApiKey.model_validate({"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": [scope]})
        for name, scope in (("reader", "read"), ("writer", "write"), ("boss", "admin"))
    ]
    return ServiceSettings.model_validate(
        {
            "database_url": url,
            "aws_endpoint_url": aws.endpoint_url,
            "aws_account_id": aws.access_key_id,
            "api_keys": tuple(keys),
            "dlq_drain_seconds": 0.1,
        }
    )


@pytest.fixture
def topology() -> Topology:
    """The two topics of items, and one queue on the domain bus, which gives a message up after two receives."""
    whole = build_topology()
    queue = whole.queue("analytics")
    strict = replace(queue, max_receive_count=2)
    return replace(
        whole,
        topics=(whole.topic(Carrier.DOMAIN), whole.topic(Carrier.DEAD_LETTERS)),
        queues=(strict,),
        subscriptions=tuple(replace(each, queue=strict) for each in whole.subscriptions if each.queue == queue),
    )


@pytest.fixture
async def bus(settings: ServiceSettings, topology: Topology) -> AsyncIterator[Bus]:
    """The small topology, provisioned."""
    async with Bus(settings, topology) as opened:
        await provisioning.apply(opened)
        yield opened


@pytest.fixture
def receive_all(bus: Bus) -> ReceiveAll:
    """`await receive_all(queue_name, count)`: receive and delete messages until there are at least `count`."""

    async def receive(queue_name: str, count: int) -> list[dict[str, Any]]:
        queue_url = await bus.queue_url(queue_name)
        received: list[dict[str, Any]] = []

        async def enough() -> bool:
            answer = await bus.sqs.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", ()):
                received.append(dict(message))
                await bus.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            return len(received) >= count and not answer.get("Messages")

        await eventually(enough)
        return received

    return receive
