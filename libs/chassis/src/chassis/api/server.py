"""The HTTP server as a role."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.api.problems import problem_response
from chassis.lifecycle import first_of

log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 32 * 1024
MAX_HEAD_SECONDS = 10.0
LINGER_SECONDS = 1.0
"""How long a client that was given up has to read why."""


class _Protocol(HttpToolsProtocol):
    """Gives up a request whose line and headers are too long or too slow: the parser bounds neither."""

    _head_bytes = 0
    _in_head = True
    _too_long = False
    _given_up = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base does
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._too_long = True
            raise ValueError("the head of a request is too long")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self._given_up:
            return
        continued = self._in_head
        super().data_received(data)
        if continued and self._in_head and not self._given_up:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._too_long = True
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """What the base sends where the parser fails: as a problem, and as a 431 where it is too much."""
        if self._too_long:
            detail = f"the request line and headers may have {MAX_HEAD_BYTES} bytes"
            self._give_up(431, "request-header-fields-too-large", "Request header fields too large", detail)
        else:
            self._give_up(400, "malformed-request", "Not HTTP", msg)

    def _await_head(self) -> None:
        self._in_head = True
        self._head_timer = self.loop.call_later(MAX_HEAD_SECONDS, self._head_late)

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        if not self.transport.is_closing():
            detail = f"the request line and headers have not come within {MAX_HEAD_SECONDS:g} s"
            self._give_up(408, "request-timeout", "Request timeout", detail)

    def _give_up(self, status: int, slug: str, title: str, detail: str) -> None:
        response = problem_response(status, slug, title, detail, headers={"Connection": "close"})
        head = [f"HTTP/1.1 {status} {title}".encode()] + [b": ".join(pair) for pair in response.raw_headers]
        self._given_up = True
        self._end_head()
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        # Closed at once with bytes unread, the connection would be reset, and the answer lost.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the lifecycle, which stops all roles of the process.
        yield


class HttpServer:
    """Serves ``app`` until told to stop, then lets requests under way finish."""

    name = "http"

    def __init__(self, app: FastAPI, *, host: str, port: int, grace_seconds: float) -> None:
        self._host = host
        self._port = port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=_Protocol,
            loop="none",
            timeout_graceful_shutdown=max(1, int(grace_seconds)),
            server_header=False,
        )
        # Not only when it serves: a site's framework looks for the process' servers as it starts, and wants them whole.
        config.load()
        self._server = _Server(config)

    async def run(self, stopping: asyncio.Event) -> None:
        """Raises OSError where the address is taken."""
        try:
            listener = socket.create_server((self._host, self._port), backlog=2048)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {self._host}:{self._port} (API_HOST, API_PORT): {error.strerror}"
            ) from error
        log.info("listening", host=self._host, port=listener.getsockname()[1])
        serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await first_of(asyncio.shield(serving), stopping.wait())
        self._server.should_exit = True
        await serving
