"""One POST to a stranger: where it may go, how long it may take, what is kept of the answer (design §5).

It speaks to httpx's transport rather than its client, which would add redirects, cookies, authentication and half of
the cost of a request. aiohttp's connections are beneath it: httpx' own pool costs time linear in its size (design §10).
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from delivery_service.adapters.guard import ForbiddenAddressError, Guard
from delivery_service.domain.attempts import Fault, Reply

MAX_RESPONSE_BYTES = 64 * 1024
"""What is read of a response; the connection is closed on one that goes on."""
EXCERPT_BYTES = 4 * 1024
REDACTED = "[redacted]"
_KEPT_HEADERS = {
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
"""What of an answer's headers helps to understand it later. Cookies and the like are nobody's business."""
HEADER_LENGTH = 256
USER_AGENT = f"Almanac/{version('almanac-delivery-service')}"


class Poster:
    """POSTs over connections of its own, which it keeps open.

    Args:
        connections: how many at most; make it as many as there may be attempts at once, so that none waits for one.
        connect_seconds: for name, connection and TLS together. The whole attempt has a deadline of its own.
        guard: which addresses may be connected to.
        tls: which certificates are trusted; the system's where it is None.
        transport: used instead of the network.
    """

    def __init__(
        self,
        *,
        connections: int,
        connect_seconds: float,
        guard: Guard,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._transport = transport or _transport(connections, guard, tls or ssl.create_default_context())
        self._extensions = {"timeout": {"connect": connect_seconds, "pool": connect_seconds}}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float, spoken: Sequence[str]
    ) -> Reply:
        """POST once. Never raises for what the receiver or the network does.

        Args:
            spoken: secrets that are not kept where the receiver repeats them.
        """
        try:
            parsed = _parse_url(url)
        except httpx.InvalidURL:
            return Reply(None, Fault.UNUSABLE_URL, 0.0)
        # Of a stream httpx leaves the headers alone: Host and Content-Length are aiohttp's, and what it would do to add
        # them costs a tenth of an attempt. It need not find out how ours are encoded either.
        stream = httpx.ByteStream(body)
        request = httpx.Request("POST", parsed, headers=headers, stream=stream, extensions=self._extensions)
        request.headers.encoding = "ascii"
        request.read()
        return await self._exchange(request, timeout_seconds, spoken)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _exchange(self, request: httpx.Request, timeout_seconds: float, spoken: Sequence[str]) -> Reply:
        started = time.monotonic()
        response: httpx.Response | None = None
        fault: Fault | None = None
        content = bytearray()
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    await _read(response, content)
                finally:
                    await response.aclose()
        except TimeoutError:
            fault = Fault.TIMEOUT
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            fault = _classify(error)
        duration = time.monotonic() - started
        if response is None:
            return Reply(None, fault, duration)
        # The receiver has spoken with its status line; how its body ended changes nothing.
        said = _worth_keeping(response.headers)
        headers = {name: redacted(text, spoken)[:HEADER_LENGTH] for name, text in said.items()}
        return Reply(
            http_status=response.status_code,
            fault=None,
            duration_seconds=duration,
            # A body is taken as it came: unpacked, a few bytes can become gigabytes.
            excerpt=None if "content-encoding" in headers else _excerpt(content, spoken),
            retry_after=said.get("retry-after"),
            headers=headers,
        )


def _transport(connections: int, guard: Guard, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    # A session belongs to a running loop, so it is made with the first request.
    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=guard.connector(limit=connections, tls=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    return AiohttpTransport(client=session, verify=tls, trust_env=False)


@lru_cache(maxsize=1024)
def _parse_url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _worth_keeping(headers: httpx.Headers) -> dict[str, str]:
    # In one pass: asked for one by one, each would be looked for in all of them.
    said: dict[str, str] = {}
    for raw_name, raw_value in headers.raw:
        name = _KEPT_HEADERS.get(raw_name.lower())
        if name is not None and raw_value:
            value = raw_value.decode(errors="replace")
            said[name] = f"{said[name]}, {value}" if name in said else value
    return said


async def _read(response: httpx.Response, content: bytearray) -> None:
    # Of the transport's own stream; the client, which is not used, would wrap it.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        content += chunk
        if len(content) >= MAX_RESPONSE_BYTES:
            return


def _excerpt(content: bytearray, spoken: Sequence[str]) -> str | None:
    return redacted(content.decode(errors="replace"), spoken)[:EXCERPT_BYTES] or None


def redacted(text: str, spoken: Sequence[str]) -> str:
    """What a receiver said, as it may be kept and shown: some of them repeat what they were sent."""
    for secret in spoken:
        text = text.replace(secret, REDACTED)
    # PostgreSQL's text has no NUL; a body may.
    return text.replace("\0", "\ufffd")


def _classify(error: Exception) -> Fault:
    # The transport maps aiohttp's errors to httpx' own too coarsely; the cause is what happened.
    match error.__cause__ or error:
        case aiohttp.ClientConnectorError(os_error=ForbiddenAddressError()):
            return Fault.FORBIDDEN_ADDRESS
        case aiohttp.ConnectionTimeoutError():
            return Fault.CONNECT_TIMEOUT
        case aiohttp.ServerTimeoutError():
            return Fault.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Fault.DNS
        case aiohttp.ClientSSLError():
            return Fault.TLS
        case aiohttp.ClientConnectionError() | OSError():
            return Fault.CONNECTION
        case aiohttp.InvalidURL():
            return Fault.UNUSABLE_URL
        case _:
            return Fault.PROTOCOL
