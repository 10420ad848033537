"""A webhook endpoint that does as the test says."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from aiohttp import web

from local_stack import ports
from testkit.polling import DEADLINE_SECONDS, eventually

PATH = "/hooks"


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class Answer:
    """What to answer one request. With a `gate`, not before it is set; with `abort`, the connection just closes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    gate: asyncio.Event | None = None
    abort: bool = False


class Receiver:
    """An HTTP server on a free port that records every request and sends scripted responses, 200 by default.

    An asynchronous context manager. `requests` grows in order of arrival, before the answer goes out. It speaks TLS
    where it is given a context.
    """

    def __init__(self, port: int | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port or ports.free_port()
        self.url = f"{'https' if tls else 'http'}://{ports.LOOPBACK}:{self.port}{PATH}"
        self._tls = tls
        self.requests: list[ReceivedRequest] = []
        self.otherwise = Answer()
        self._planned: deque[Answer] = deque()
        self._runner: web.AppRunner | None = None

    def answer(self, *answers: int | Answer) -> None:
        """Plan the answers of the next requests, in order of arrival; after them comes `otherwise`."""
        self._planned.extend(Answer(status=each) if isinstance(each, int) else each for each in answers)

    def always(self, answer: int | Answer) -> None:
        """Set the answer of every request for which none is planned."""
        self.otherwise = Answer(status=answer) if isinstance(answer, int) else answer

    async def wait_for(self, count: int, timeout: float = DEADLINE_SECONDS) -> list[ReceivedRequest]:
        """Wait until at least `count` requests have come; returns all. Raises AssertionError after `timeout` s."""
        await eventually(lambda: len(self.requests) >= count, timeout)
        return list(self.requests)

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, ports.LOOPBACK, self.port, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Close the port and every connection; `start` opens the same port again."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(ReceivedRequest(request.method, request.path, headers, body, datetime.now(UTC)))
        answer = self._planned.popleft() if self._planned else self.otherwise
        if answer.gate is not None:
            await answer.gate.wait()
        if answer.abort and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
