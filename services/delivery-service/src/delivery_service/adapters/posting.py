"""One POST to an untrusted receiver: where it may go, how long it may take, which part of the answer is stored (ADR
24)."""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from importlib.metadata import version

from delivery_service.adapters.connections import Connections, ConnectTimeoutError
from delivery_service.adapters.destinations import Destination, UnusableUrlError, parse_destination
from delivery_service.adapters.exchanges import MAX_RESPONSE_BYTES as MAX_RESPONSE_BYTES
from delivery_service.adapters.exchanges import Answer, ProtocolError
from delivery_service.adapters.names import UnresolvedNameError
from delivery_service.adapters.ssrf_guard import ForbiddenAddressError, SsrfGuard
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.redactions import Redactions

EXCERPT_BYTES = 4 * 1024
HEADER_LENGTH = 256
DETAIL_LENGTH = 256
USER_AGENT = f"Almanac/{version('almanac-delivery-service')}"


class Poster:
    """POSTs over connections of its own, which it keeps open.

    No redirects, no cookies, no proxy of the environment.

    Args:
        connections: how many are kept open without use at most; as many as there may be attempts at once.
        connect_seconds: for name, connection and TLS together. The whole attempt has a deadline of its own.
        guard: which addresses may be connected to.
        tls: which certificates are trusted; the system's where it is None.
    """

    def __init__(
        self, *, connections: int, connect_seconds: float, guard: SsrfGuard, tls: ssl.SSLContext | None = None
    ) -> None:
        self._connections = Connections(
            idle=connections, connect_seconds=connect_seconds, guard=guard, tls=tls or _default_tls()
        )

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout_seconds: float,
        redactions: Redactions,
        send_by: float | None = None,
    ) -> Reply:
        """POST once. Never raises for what the receiver or the network does.

        Args:
            url: its path and query go out byte for byte.
            headers: besides Host and Content-Length, which are set here.
            redactions: confidential values that are redacted if the receiver echoes them.
            send_by: when sending must have begun, on the monotonic clock.

        Raises:
            ConfigurationExpiredError: connecting took until after ``send_by``; nothing was sent.
            ValueError: a header that HTTP cannot carry.
        """
        try:
            destination = parse_destination(url)
        except UnusableUrlError as error:
            return Reply(None, Fault.UNUSABLE_URL, 0.0, detail=str(error))
        request = _request(destination, headers, body)
        answer = Answer()
        fault: Fault | None = None
        detail: str | None = None
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._connections.exchange(destination, request, answer, send_by=send_by)
        except TimeoutError:
            fault, detail = Fault.TIMEOUT, f"no answer within {timeout_seconds:g} s"
        except (ConnectTimeoutError, ProtocolError, OSError) as error:
            fault, detail = _classify(error)
        duration = time.monotonic() - started
        if answer.status is None:
            return Reply(None, fault, duration, detail=redactions.apply(detail or "")[:DETAIL_LENGTH] or None)
        # The receiver has spoken with its status line; how its body ended changes nothing.
        said = {name: _text(b", ".join(values)) for name, values in answer.headers.items()}
        headers_kept = {name: redactions.apply(text)[:HEADER_LENGTH] for name, text in said.items()}
        return Reply(
            http_status=answer.status,
            fault=None,
            duration_seconds=duration,
            # A body is taken as it came: unpacked, a few bytes can become gigabytes.
            excerpt=None if "content-encoding" in said else _excerpt(answer.body, redactions),
            retry_after=said.get("retry-after"),
            headers=headers_kept,
        )

    async def aclose(self) -> None:
        """Close kept-alive connections."""
        await self._connections.aclose()


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _request(destination: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {destination.target} HTTP/1.1",
        f"Host: {destination.authority}",
        *[f"{name}: {value}" for name, value in headers.items()],
        f"Content-Length: {len(body)}",
        "\r\n",
    ]
    head = "\r\n".join(lines)
    # A line break in a value would be a header of its own, or a second request.
    if head.count("\r") != len(lines) or head.count("\n") != len(lines) or "\0" in head:
        raise ValueError("a header contains a line break or NUL")
    return head.encode("ascii") + body


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").strip()


def _excerpt(body: bytearray, redactions: Redactions) -> str | None:
    return redactions.apply(body.decode(errors="replace"))[:EXCERPT_BYTES] or None


def _classify(error: Exception) -> tuple[Fault, str]:
    """The class of a fault, and what explains it."""
    match error:
        case ConnectTimeoutError():
            return Fault.CONNECT_TIMEOUT, str(error)
        case ProtocolError():
            return Fault.PROTOCOL, str(error)
        case ForbiddenAddressError():
            return Fault.FORBIDDEN_ADDRESS, str(error)
        case UnresolvedNameError():
            return Fault.DNS, str(error)
        case ssl.SSLError() | ssl.CertificateError():
            return Fault.TLS, _explain_tls(error)
        case OSError():
            return Fault.CONNECTION, str(error) if error.errno is None else os.strerror(error.errno)
        case _:
            raise error


def _explain_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the receiver's certificate does not hold: {error.verify_message}"
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason:
        return "the receiver demands a client certificate, and Almanac presents none"
    return reason.replace("_", " ").lower() or str(error)
