"""The connections of a sender: opened by the guard, kept open while they are idle, and never trusted (ADR 24)."""

import asyncio
import socket
import ssl
import time
from collections import deque
from functools import partial

from delivery_service.adapters.destinations import Destination
from delivery_service.adapters.exchanges import Answer, Connection, StaleConnectionError
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.domain.deliveries import ConfigurationExpiredError

KEEP_ALIVE_SECONDS = 60.0
"""How long a connection is kept without use. A receiver's own limit is usually shorter, and then it closes it."""


class ConnectTimeoutError(Exception):
    """Name, connection and TLS together took too long."""


class Connections:
    """Connections of one sender to all its receivers.

    Args:
        idle: how many are kept open without use at most; the one that was used the longest ago goes first.
        connect_seconds: for name, connection and TLS together.
        guard: opens their sockets.
        tls: which certificates are trusted.
    """

    def __init__(self, *, idle: int, connect_seconds: float, guard: SsrfGuard, tls: ssl.SSLContext) -> None:
        self._max_idle = idle
        self._connect_seconds = connect_seconds
        self._guard = guard
        self._tls = tls
        self._idle: dict[tuple[bool, str, int], deque[Connection]] = {}
        self._order: dict[Connection, None] = {}
        """All that are idle, the longest first."""
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(
        self, destination: Destination, request: bytes, answer: Answer, *, send_by: float | None = None
    ) -> None:
        """Send a request and fill in its answer.

        After ``send_by`` (monotonic) it is not sent on a new connection, which is kept for the next request instead.

        A connection that was kept open may end as the request is sent; then it goes out once more, at once, on a new
        one. That is no attempt of its own: requests carry an Idempotency-Key.

        Raises:
            ConnectTimeoutError, ProtocolError, ForbiddenAddressError, UnresolvedNameError, OSError
            StaleConnectionError: the kept connection ended, and reconnecting took until after ``send_by``. The
                receiver may have seen the request, so this is the end of an attempt that was made.
            ConfigurationExpiredError: connecting took until after ``send_by``, and nothing was sent.
        """
        sent: StaleConnectionError | None = None
        kept = self._take(destination.origin)
        if kept is not None:
            try:
                await self._exchange_on(kept, request, answer)
            except StaleConnectionError as error:
                sent = error
            else:
                return
        connection = await self._open(destination)
        if send_by is not None and time.monotonic() > send_by:
            self._keep(connection)
            raise ConfigurationExpiredError if sent is None else sent
        await self._exchange_on(connection, request, answer)

    async def aclose(self) -> None:
        """Close what is idle, and keep nothing from now on."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._order):
            self._forget(connection)
            connection.close()
        # Transports are closed by the loop, in its next turn.
        await asyncio.sleep(0)

    async def _exchange_on(self, connection: Connection, request: bytes, answer: Answer) -> None:
        if await connection.exchange(request, answer):
            self._keep(connection)

    async def _open(self, destination: Destination) -> Connection:
        try:
            async with asyncio.timeout(self._connect_seconds):
                connected = await self._guard.connect(destination.host, destination.port)
                return await self._begin(connected, destination)
        except TimeoutError:
            raise ConnectTimeoutError(f"not connected within {self._connect_seconds:g} s") from None

    async def _begin(self, connected: socket.socket, destination: Destination) -> Connection:
        loop = asyncio.get_running_loop()
        # From here on the socket is its transport's, which closes it whatever happens.
        _, connection = await loop.create_connection(
            partial(Connection, connected, self._forget),
            sock=connected,
            ssl=self._tls if destination.tls else None,
            server_hostname=destination.host.rstrip(".") if destination.tls else None,
            ssl_handshake_timeout=self._connect_seconds if destination.tls else None,
        )
        connection.origin = destination.origin
        return connection

    def _take(self, origin: tuple[bool, str, int]) -> Connection | None:
        # The one used last: it is the least likely to have been closed.
        idle = self._idle.get(origin)
        while idle:
            connection = idle[-1]
            self._forget(connection)
            if connection.usable:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.setdefault(connection.origin, deque()).append(connection)
        self._order[connection] = None
        if len(self._order) > self._max_idle:
            self._close_oldest()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._close_expired)

    def _close_oldest(self) -> None:
        connection = next(iter(self._order))
        self._forget(connection)
        connection.close()

    def _close_expired(self) -> None:
        self._sweep = None
        now = time.monotonic()
        while self._order and (since := next(iter(self._order)).idle_since) <= now - KEEP_ALIVE_SECONDS:
            self._close_oldest()
        if self._order:
            delay = since + KEEP_ALIVE_SECONDS - now
            self._sweep = asyncio.get_running_loop().call_later(delay, self._close_expired)

    def _forget(self, connection: Connection) -> None:
        if connection not in self._order:
            return
        del self._order[connection]
        idle = self._idle[connection.origin]
        idle.remove(connection)
        if not idle:
            del self._idle[connection.origin]
