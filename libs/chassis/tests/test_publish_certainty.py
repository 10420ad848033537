"""A publication that failed: whether SNS may have accepted the messages nevertheless."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.core.settings import BusSettings
from chassis.messaging.bus import Bus
from chassis.messaging.publisher import NotAccepted, Outgoing, Publisher
from contracts import Topology
from local_stack import ports

TOPIC = "bday-domain-events"
FAR = 60.0
REFUSED = "<ErrorResponse><Error><Code>No</Code><Message>not you</Message></Error></ErrorResponse>"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass
class FaultySns:
    """A server that reads each request whole and then does what a test says; ``requests`` counts them."""

    port: int
    behave: Behaviour
    requests: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            self.requests += 1
            self.arrived.set()
            await self.behave(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def _publisher(
    settings: BusSettings, topology: Topology, behave: Behaviour
) -> AsyncIterator[tuple[Publisher, FaultySns, asyncio.Server]]:
    sns = FaultySns(ports.free_port(), behave)
    server = await asyncio.start_server(sns.handle, ports.LOOPBACK, sns.port)
    faulty = settings.model_copy(update={"aws_endpoint_url": f"http://{ports.LOOPBACK}:{sns.port}"})
    async with Bus(faulty, topology) as bus:
        yield Publisher(bus), sns, server
    server.close()


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client gives up


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


def _answer(status: str, body: str = "") -> Behaviour:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode())
        await writer.drain()

    return answer


async def _publish(publisher: Publisher, seconds: float = FAR) -> NotAccepted:
    message = Outgoing("a", {"eventType": "EventScheduled"})
    (result,) = await publisher.publish(TOPIC, [message], deadline=time.monotonic() + seconds)
    assert result is not None
    return result


async def test_a_call_without_an_answer_by_the_deadline_may_have_been_accepted(
    settings: BusSettings, topology: Topology
) -> None:
    async with _publisher(settings, topology, _hang) as (publisher, sns, _):
        began = time.monotonic()
        assert await _publish(publisher, seconds=3) == NotAccepted("no answer before the deadline", maybe=True)
        assert time.monotonic() - began < FAR / 2
        assert sns.requests == 1


async def test_no_call_starts_after_the_deadline(settings: BusSettings, topology: Topology) -> None:
    async with _publisher(settings, topology, _hang) as (publisher, sns, _):
        result = await _publish(publisher, seconds=0)
        assert (result.reason, result.maybe) == ("the deadline of the publication had passed", False)
        assert sns.requests == 0


async def test_a_call_that_waits_for_a_slot_until_the_deadline_does_not_start(
    settings: BusSettings, topology: Topology
) -> None:
    async with _publisher(settings, topology, _hang) as (publisher, sns, _):
        publisher._slots = asyncio.Semaphore(1)
        first = asyncio.create_task(_publish(publisher, seconds=2.0))
        await sns.arrived.wait()
        second = await _publish(publisher, seconds=0.2)
        assert not second.maybe
        assert (await first).maybe
        assert sns.requests == 1


@pytest.mark.parametrize(
    ("behave", "maybe"),
    [
        (_close, True),
        (_answer("500 Internal Server Error"), True),
        (_answer("503 Service Unavailable"), True),
        (_answer("200 OK", "no XML"), True),
        (_answer("400 Bad Request", REFUSED), False),
        (_answer("403 Forbidden", REFUSED), False),
    ],
    ids=["closed", "500", "503", "unreadable", "400", "403"],
)
async def test_a_failed_call_says_whether_the_messages_may_have_been_accepted(
    settings: BusSettings, topology: Topology, behave: Behaviour, maybe: bool
) -> None:
    async with _publisher(settings, topology, behave) as (publisher, _, _):
        assert (await _publish(publisher)).maybe is maybe


async def test_a_refused_connection_after_an_attempt_without_an_answer_is_no_refusal(
    settings: BusSettings, topology: Topology
) -> None:
    async def close_for_good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.close()

    async with _publisher(settings, topology, close_for_good) as (publisher, sns, server):
        result = await _publish(publisher)
    assert "Could not connect" in result.reason
    assert result.maybe
    assert sns.requests == 1
