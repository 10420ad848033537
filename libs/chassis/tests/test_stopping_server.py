"""A server that stops while clients still send: each of them gets its answer."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request, Response

from chassis.api.server import HttpServer
from local_stack import ports
from testkit import eventually

TURNS = 50
"""Iterations of the event loop in which the server reads and closes connections."""


@asynccontextmanager
async def _server(stopping: asyncio.Event) -> AsyncIterator[tuple[int, asyncio.Task[None]]]:
    """One whose only request is answered when the server stops, without its body being read."""
    app = FastAPI()

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        await stopping.wait()
        return Response("stopped", 503)

    port = ports.free_port()
    running = asyncio.create_task(HttpServer(app, host=ports.LOOPBACK, port=port, grace_seconds=10).run(stopping))
    await eventually(lambda: ports.is_open(port))
    try:
        yield port, running
    finally:
        stopping.set()
        await running


async def _send_on(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """As a client that looks for its answer only when all is sent. A reset in between shows in what it reads."""
    for _ in range(TURNS):
        writer.write(chunk)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("sent", "more", "status"),
    [
        (b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"1\r\na\r\n", b"503"),
        (b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\na", b"a", b"503"),
        (b"no HTTP at all\r\n\r\n", b"a", b"400"),
    ],
    ids=["chunked body", "body of known length", "not HTTP"],
)
async def test_answer_of_a_client_that_still_sends_outlives_the_stop(sent: bytes, more: bytes, status: bytes) -> None:
    stopping = asyncio.Event()
    async with _server(stopping) as (port, running):
        reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport
        writer.write(sent)
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as seen:
            if status == b"400":
                await eventually(lambda: _has_answer(seen))
            stopping.set()
            await eventually(lambda: _has_answer(seen) and not ports.is_open(port))
        await _send_on(writer, more)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await asyncio.wait_for(running, 10)
    assert answer.startswith(b"HTTP/1.1 " + status)


def _has_answer(client: socket.socket) -> bool:
    """Whether bytes have come, without reading them."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
