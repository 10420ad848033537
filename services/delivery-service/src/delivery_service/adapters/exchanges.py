"""One connection to a receiver, and what of its answers counts. llhttp parses; the policy is here (ADR 24).

* The status line decides. Once it has come with the rest of the head, nothing that follows turns the answer into a
  fault: a body that breaks off, is longer than announced or not framed as promised ends the exchange.
* A malformed header does not either. The status counts, and the connection is closed.
* Nothing is bounded by the receiver: at most ``MAX_INTERIM`` responses of 1xx, ``MAX_HEAD_BYTES`` until the final head
  is complete and ``MAX_RESPONSE_BYTES`` after it.
* A connection that brings anything while no answer is awaited is closed, and never carries a request (RFC 9112 §6.3,
  §9.3): what it brings might pass for the answer to one.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import cast

import httptools

MAX_INTERIM = 10
"""Responses of 1xx before the final one. Servers send one or two: 100, 102, 103."""
MAX_HEAD_BYTES = 128 * 1024
"""Of the final response's head with all interim responses before it."""
MAX_RESPONSE_BYTES = 64 * 1024
"""What is read of a response's body, as it comes over the wire; the connection is closed on a longer one."""
KEPT_HEADERS = {
    name.encode(): name
    for name in (
        "content-type",
        "content-length",
        "content-encoding",
        "date",
        "location",
        "retry-after",
        "server",
        "via",
        "www-authenticate",
        "x-request-id",
    )
}
"""What of an answer's headers helps to understand it later. Cookies and similar headers are not stored."""
_MAX_REPEATED = 8
"""Values that are kept of a header that comes more than once."""


class ProtocolError(Exception):
    """The peer does not use HTTP/1, or exceeds its limits."""


class StaleConnectionError(ConnectionError):
    """A connection that had been kept open ended before a byte of the answer came: the peer had closed it."""


@dataclass(slots=True)
class Answer:
    """What has come of an answer so far. ``status`` is None until the final response's head has come."""

    status: int | None = None
    headers: dict[str, list[bytes]] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    CLOSED = auto()


class Connection(asyncio.Protocol):
    """A connection that is idle or carries one exchange.

    Args:
        connected: its socket, which shows whether there is anything to read without taking it.
        on_idle_end: called when it can no longer be used, if that happens while it is idle.
    """

    def __init__(self, connected: socket.socket, on_idle_end: "Callable[[Connection], None]") -> None:
        self.origin: tuple[bool, str, int] = (False, "", 0)
        self.idle_since = 0.0
        self._socket = connected
        self._on_idle_end = on_idle_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._state = _State.IDLE
        self._exchanges = 0
        self._done: asyncio.Future[None] | None = None
        self._answer = Answer()
        self._parser: httptools.HttpResponseParser | None = None
        self._received = 0
        self._head_received = 0
        self._interim = 0
        self._keep_alive = False
        self._unsolicited = False
        self._lost: Exception | None = None

    @property
    def usable(self) -> bool:
        """Whether it is idle and open, and the peer has sent nothing."""
        return self._state is _State.IDLE and not self._unsolicited and _peek(self._socket) is None

    async def exchange(self, request: bytes, answer: Answer) -> bool:
        """Send a request and fill in its answer. Returns whether the connection can carry another.

        Where it is cancelled, the connection is closed; ``answer`` has what has come until then.

        Raises:
            StaleConnectionError: nothing came on a connection that had been used before; the request may be sent again.
            ProtocolError, OSError: there is no answer.
        """
        if self.origin[0] and not self._exchanges and _peek(self._socket) is not None:
            # An alert that follows the handshake, as for a missing certificate, says more than the write that fails.
            await asyncio.sleep(0)
        transport = self._ready()
        self._exchanges += 1
        self._answer = answer
        self._state = _State.HEAD
        self._received = self._interim = 0
        # A new parser for each: what one answer left behind must not show in the next.
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_transfer_encoding=True,
            lenient_version=True,
            lenient_optional_lf_after_cr=True,
            lenient_optional_cr_before_lf=True,
            lenient_optional_crlf_after_chunk=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._done = self._loop.create_future()
        transport.write(request)
        try:
            await self._done
        except BaseException:
            self.close()
            raise
        finally:
            self._done = self._parser = None
        if self._keep_alive and self._state is _State.IDLE:
            return True
        self.close()
        return False

    def close(self) -> None:
        """Close at once. Unwritten data is dropped: a peer that does not read cannot keep it open."""
        self._state = _State.CLOSED
        if self._transport is not None:
            self._transport.abort()

    # -- of the transport ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class does not inherit from it

    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            # Nothing was asked for, or what was is answered: a forged answer, a late 408, or a longer body.
            self._unsolicited = True
            self._end_idle()
            return
        self._received += len(data)
        try:
            cast(httptools.HttpResponseParser, self._parser).feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._parse_failed(error)
            return
        if self._state is _State.COMPLETE:
            self._finish(keep_alive=self._keep_alive)
        elif self._state is _State.HEAD:
            if self._received > MAX_HEAD_BYTES:
                self._fail(ProtocolError(f"headers of more than {MAX_HEAD_BYTES // 1024} KiB"))
        elif self._received - self._head_received >= MAX_RESPONSE_BYTES or len(self._answer.body) >= MAX_RESPONSE_BYTES:
            self._finish(keep_alive=False)

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._transport = None

    # -- of the parser -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._state is _State.COMPLETE:
            raise ProtocolError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes as a trailer is too late to count.
        if self._state is not _State.HEAD:
            return
        kept = KEPT_HEADERS.get(name.lower())
        if kept is not None and value:
            values = self._answer.headers.setdefault(kept, [])
            if len(values) < _MAX_REPEATED:
                values.append(value)

    def on_headers_complete(self) -> None:
        status = self._status()
        if status >= 200:
            self._answer.status = status
            self._state = _State.BODY
            self._head_received = self._received
        elif status < 100 or status == 101:
            raise ProtocolError(f"a status of {status:03d}")

    def on_body(self, body: bytes) -> None:
        if self._state is _State.BODY:
            self._answer.body += body

    def on_message_complete(self) -> None:
        if self._state is _State.BODY:
            self._state = _State.COMPLETE
            self._keep_alive = cast(httptools.HttpResponseParser, self._parser).should_keep_alive()
            return
        self._interim += 1
        self._answer.headers.clear()
        if self._interim > MAX_INTERIM:
            raise ProtocolError(f"more than {MAX_INTERIM} interim responses")

    # ------------------------------------------------------------------------------------------------------------------

    def _ready(self) -> asyncio.Transport:
        """The transport of a connection over which nothing has come since the last exchange."""
        # Before the first one TLS has tickets to bring, which say nothing.
        come = None if self._unsolicited or (self.origin[0] and not self._exchanges) else _peek(self._socket)
        if self._transport is not None and self._state is _State.IDLE and come is None:
            return self._transport
        self.close()
        if self._exchanges:
            raise StaleConnectionError("closed by the peer")
        if self._unsolicited or come:
            raise ProtocolError("the receiver sent something before the request")
        raise self._lost or ConnectionResetError("closed before the request")

    def _status(self) -> int:
        return cast(httptools.HttpResponseParser, self._parser).get_status_code()

    def _parse_failed(self, error: Exception) -> None:
        if self._state in (_State.BODY, _State.COMPLETE):
            self._finish(keep_alive=False)
            return
        if isinstance(error, httptools.HttpParserCallbackError) and isinstance(error.__context__, Exception):
            self._fail(error.__context__)
        elif self._status() >= 200 and not isinstance(error, httptools.HttpParserInvalidStatusError):
            self._answer.status = self._status()
            self._finish(keep_alive=False)
        else:
            self._fail(ProtocolError(str(error)))

    def _ended(self, error: Exception | None) -> None:
        if self._done is None or self._done.done():
            self._lost = self._lost or error
            self._end_idle()
        elif self._answer.status is not None:
            self._finish(keep_alive=False)
        elif self._exchanges > 1 and not self._received:
            self._fail(StaleConnectionError(str(error or "closed by the peer")))
        else:
            self._fail(error or ConnectionResetError("closed before the answer was complete"))

    def _end_idle(self) -> None:
        was_idle = self._state is _State.IDLE
        self.close()
        if was_idle:
            self._on_idle_end(self)

    def _finish(self, *, keep_alive: bool) -> None:
        transport = self._transport
        # An answer that came before the request was sent whole leaves the rest of it in the way of the next.
        self._keep_alive = keep_alive and transport is not None and not transport.get_write_buffer_size()
        self._state = _State.IDLE if self._keep_alive else _State.CLOSED
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._keep_alive = False
        self._state = _State.CLOSED
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


def _peek(connected: socket.socket) -> bytes | None:
    """Unread data that the peer has sent: empty for its end, None for nothing."""
    try:
        return connected.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""
