"""The HTTP server as a role."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.api.problems import problem_response
from chassis.core.lifecycle import first_of

log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 32 * 1024
MAX_HEAD_SECONDS = 10.0
IDLE_SECONDS = 10.0
"""After a response, whatever bytes come that begin no request: the rest of an unread body, or empty lines."""
WRITE_SECONDS = 60.0
"""How long a client may take nothing of a response."""
MAX_CONNECTIONS = 1_000
"""Of one process. Fewer where its descriptors do not allow for as many: see :func:`connection_limit`."""
LINGER_SECONDS = 3.0
"""How long a client that still sends has to read its answer, also while the server stops."""


def connection_limit(descriptors: int) -> int:
    """Connections that leave a process with that many descriptors enough for its database, bus and files."""
    return max(8, min(MAX_CONNECTIONS, (descriptors - 64) * 3 // 4))


def _listener(host: str, port: int) -> socket.socket:
    """Listen on an address of IPv4 or IPv6; ``::`` is every address of both, where the machine has both.

    Raises OSError where the address is taken or not one of this machine.
    """
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104  # the same, on a machine without IPv6
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=host == "::")


class IdleConnections:
    """Which connections wait for a request, the longest waiting first, and how many connections there may be.

    Beyond ``limit`` connections each new one ends the one that has waited longest. So idle connections displace only
    other idle ones, and a client that sends its request is served.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: dict[_Protocol, None] = {}

    def add(self, connection: "_Protocol") -> None:
        self.remove(connection)
        self._waiting[connection] = None

    def remove(self, connection: "_Protocol") -> None:
        self._waiting.pop(connection, None)

    def displace(self) -> bool:
        """End the one that has waited longest. False where all connections are at work."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.abandon()
        return True


class _Lingering:
    """A connection as its response sees it: closed later where the request has not come whole.

    Closed at once with bytes unread, it would be reset, and a client that still sends might never read the answer.
    """

    def __init__(self, protocol: "_Protocol", cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._cycle = cycle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        if self._cycle.more_body and self._cycle.response_complete and self._transport.can_write_eof():
            self._protocol.linger()
        else:
            self._transport.close()


class _Protocol(HttpToolsProtocol):
    """Bounds what the parser and uvicorn do not: the head's length and time, idle time, writing, and connections.

    uvicorn stops its keep-alive timer with the first byte after a response, also with one that begins no request: an
    empty line, or the rest of a body that the application has not read.
    """

    _head_bytes = 0
    _idle_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _too_long = False
    _given_up = False
    _lingers = False
    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, idle: IdleConnections, **more: Any) -> None:
        super().__init__(*args, **more)
        self._idle = idle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base does
        super().connection_made(transport)
        if len(self.connections) > self._idle.limit and not self._idle.displace():
            self._give_up(503, "too-many-connections", "Too many connections", "all connections are at work")
            return
        self._idle.add(self)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.remove(self)
        self._end_head()
        self._stop_idle_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def abandon(self) -> None:
        """End a connection that waits, to make room for another."""
        self._end_head()
        self.transport.abort()

    def linger(self) -> None:
        """End the answers, and close after ``LINGER_SECONDS`` if the client has not closed before."""
        self._lingers = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        # The server waits for its connections: one whose client still sends ends in time, and its answer is read.
        if self._lingers:
            return
        if self.cycle is not None and self.cycle.response_complete and self.cycle.more_body:
            self.linger()
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self._waits():
            self._idle.add(self)
            self._stop_idle_timer()
            self._idle_timer = self.loop.call_later(IDLE_SECONDS, self._idle_too_long)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _idle_too_long(self) -> None:
        self._idle_timer = None
        if self._waits() and not self.transport.is_closing():
            self.transport.close()

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def handle_websocket_upgrade(self) -> None:
        self._idle.remove(self)
        self._stop_idle_timer()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        self._stop_idle_timer()
        self._idle.remove(self)
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._too_long = True
            raise ValueError("the head of a request is too long")
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", _Lingering(self, self.cycle))

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
        self.linger()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the lifecycle, which stops all roles of the process.
        yield


class HttpServer:
    """Serves ``app`` until stopped, then lets requests in progress finish."""

    name = "http"

    def __init__(self, app: FastAPI, *, host: str, port: int, grace_seconds: float) -> None:
        self._app = app
        self._host = host
        self._port = port
        limit = connection_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=partial(_Protocol, idle=IdleConnections(limit)),  # type: ignore[arg-type]  # it creates one nevertheless
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
            listener = _listener(self._host, self._port)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {self._host}:{self._port} (API_HOST, API_PORT): {error.strerror}"
            ) from error
        log.info("listening", host=self._host, port=listener.getsockname()[1])
        serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        await first_of(asyncio.shield(serving), stopping.wait())
        begin_stop = getattr(self._app.state, "stopping", None)
        if begin_stop is not None:
            begin_stop.begin()
        self._server.should_exit = True
        await serving
