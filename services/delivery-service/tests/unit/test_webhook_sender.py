"""What a webhook is, and what its sender makes of receivers that misbehave."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic_core import to_json
from standardwebhooks import Webhook

from contracts.vocabulary import Channel
from delivery_service.adapters.secrets import generate_secret
from delivery_service.adapters.webhooks import EXCERPT_BYTES, WebhookSender
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from local_stack import ports
from local_stack.testkit import Answer, Receiver

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Due = Callable[..., dict[str, Any]]


def target_at(url: str, timeout_seconds: int = 5) -> Target:
    return Target(uuid4(), 1, Channel.WEBHOOK, url, generate_secret(), timeout_seconds)


def dispatch(due: dict[str, Any], target: Target) -> Dispatch:
    return Dispatch(
        delivery_id=uuid4(),
        event_id=uuid4(),
        lease=Lease.begin(90),
        tries=0,
        due=to_json(due).decode(),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        traceparent=TRACEPARENT,
        target=target,
    )


async def send(due: dict[str, Any], url: str, timeout_seconds: int = 5) -> Reply:
    target = target_at(url, timeout_seconds)
    sender = WebhookSender(connections=2, connect_seconds=1)
    try:
        return await sender.send(dispatch(due, target), target, TRACEPARENT)
    finally:
        await sender.aclose()


async def test_the_signature_is_over_the_bytes_that_are_sent(due_event: Due) -> None:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        return httpx.Response(204)

    target = target_at("https://example.org/hooks")
    sender = WebhookSender(connections=1, connect_seconds=1, transport=httpx.MockTransport(answer))
    due = due_event(deliveryPayload={"message": "Grüße an Zoë 🎂"})
    reply = await sender.send(dispatch(due, target), target, TRACEPARENT)
    assert reply.http_status == 204
    [request] = seen
    body = Webhook(target.secret).verify(request.content, dict(request.headers))
    assert body["data"]["message"] == "Grüße an Zoë 🎂"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.headers["traceparent"] == TRACEPARENT


async def test_a_receiver_that_does_not_answer_meets_the_deadline(receiver: Receiver, due_event: Due) -> None:
    gate = asyncio.Event()
    receiver.answer(Answer(gate=gate))
    reply = await send(due_event(), receiver.url, timeout_seconds=1)
    gate.set()
    assert (reply.http_status, reply.fault) == (None, Fault.TIMEOUT)
    assert 0.9 < reply.duration_seconds < 3


async def test_a_closed_port_is_a_connection_fault(due_event: Due) -> None:
    reply = await send(due_event(), f"http://{ports.LOOPBACK}:{ports.free_port()}/")
    assert (reply.http_status, reply.fault) == (None, Fault.CONNECTION)


async def test_a_connection_closed_without_an_answer_is_a_connection_fault(receiver: Receiver, due_event: Due) -> None:
    receiver.answer(Answer(abort=True))
    assert (await send(due_event(), receiver.url)).fault is Fault.CONNECTION


async def test_a_name_that_does_not_resolve_is_a_dns_fault(due_event: Due) -> None:
    assert (await send(due_event(), "http://nowhere.invalid/")).fault is Fault.DNS


async def test_a_server_without_tls_is_a_tls_fault(receiver: Receiver, due_event: Due) -> None:
    assert (await send(due_event(), receiver.url.replace("http://", "https://"))).fault is Fault.TLS


async def test_an_answer_that_is_not_http_is_a_protocol_fault(due_event: Due) -> None:
    assert (await _answer_with(b"220 mail.example.org ESMTP\r\n\r\n", due_event())).fault is Fault.PROTOCOL


async def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver, due_event: Due) -> None:
    receiver.answer(Answer(307, headers={"Location": receiver.url}))
    assert (await send(due_event(), receiver.url)).http_status == 307
    assert len(receiver.requests) == 1


async def test_a_huge_body_is_not_read_to_its_end(due_event: Due) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    started = time.monotonic()
    reply = await _answer_with(head + b"x" * 200_000, due_event())
    assert time.monotonic() - started < 3
    assert reply.http_status == 200
    assert reply.excerpt == "x" * EXCERPT_BYTES


@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_breaks_off_does_not_change_what_the_status_said(due_event: Due, status: int) -> None:
    head = f"HTTP/1.1 {status} Status\r\nContent-Length: 1000\r\nRetry-After: 7\r\n\r\n".encode()
    reply = await _answer_with(head + b"half", due_event(), close=True)
    assert (reply.http_status, reply.fault, reply.excerpt, reply.retry_after) == (status, None, "half", "7")


def test_a_secret_is_no_part_of_what_is_shown_of_a_dispatch(due_event: Due) -> None:
    target = target_at("https://example.org")
    shown = repr(dispatch(due_event(), target))
    assert target.secret not in shown
    assert "Lovelace" not in shown


async def _answer_with(answer: bytes, due: dict[str, Any], *, close: bool = False) -> Reply:
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not close:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, ports.LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reply = await send(due, f"http://{ports.LOOPBACK}:{port}/")
        done.set()
    return reply
