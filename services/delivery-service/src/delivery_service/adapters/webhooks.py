"""The channel ``webhook``: a signed POST in the form of Standard Webhooks (design §5).

It speaks to httpx's transport rather than its client, which would add redirects, cookies, authentication and half of
the cost of a request. aiohttp's connections are beneath it: httpx' own pool costs time linear in its size (design §10).
"""

import asyncio
import ssl
import time
from functools import lru_cache
from importlib.metadata import version
from typing import cast

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport

from contracts.due import parse_due_event
from contracts.webhook import build_webhook
from delivery_service.adapters.guard import ForbiddenAddressError, Guard
from delivery_service.adapters.signatures import sign
from delivery_service.adapters.vault import Confidential, Vault
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.deliveries import Dispatch, Target
from delivery_service.domain.errors import SealedError
from delivery_service.domain.signing import signing

log = structlog.get_logger(__name__)

MAX_RESPONSE_BYTES = 64 * 1024
"""What is read of a response; the connection is closed on one that goes on."""
EXCERPT_BYTES = 4 * 1024
REDACTED = "[redacted]"
KEPT_HEADERS = (
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
"""What of an answer's headers helps to understand it later. Cookies and the like are nobody's business."""
HEADER_LENGTH = 256
USER_AGENT = f"Almanac/{version('almanac-delivery-service')}"


class WebhookSender:
    """Sends webhooks over connections of its own, which it keeps open.

    Args:
        connections: how many at most; make it as many as there may be attempts at once, so that none waits for one.
        connect_seconds: for name, connection and TLS together. The whole attempt has the endpoint's own deadline.
        guard: which addresses may be connected to.
        vault: opens what is sealed at an endpoint.
        tls: which certificates are trusted; the system's where it is None.
        transport: used instead of the network.
    """

    def __init__(
        self,
        *,
        connections: int,
        connect_seconds: float,
        guard: Guard,
        vault: Vault,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._transport = transport or _transport(connections, guard, tls or ssl.create_default_context())
        self._vault = vault
        self._extensions = {"timeout": {"connect": connect_seconds, "pool": connect_seconds}}

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        """Make one attempt. Never raises for what the receiver or the network does."""
        due = parse_due_event(dispatch.due)
        return await self.post(target, due.idempotency_key, build_webhook(due).model_dump_json().encode(), traceparent)

    async def post(self, target: Target, webhook_id: str, body: bytes, traceparent: str) -> Reply:
        """Sign and POST any JSON body. Never raises for what the receiver or the network does."""
        try:
            url = _parse_url(target.url or "")
            confidential = self._vault.open(target.endpoint_id, target.sealed)
        except httpx.InvalidURL:
            return Reply(None, Fault.UNUSABLE_URL, 0.0)
        except SealedError as error:
            log.warning("nothing can be signed", endpoint_id=str(target.endpoint_id), error=str(error))
            return Reply(None, Fault.SEALED, 0.0)
        now = int(time.time())
        request = httpx.Request(
            "POST",
            url,
            headers={
                **confidential.headers,
                "content-type": "application/json",
                "user-agent": USER_AGENT,
                "accept-encoding": "identity",
                "webhook-id": webhook_id,
                "webhook-timestamp": str(now),
                "webhook-signature": sign(signing(confidential.secrets, now), webhook_id, now, body),
                "idempotency-key": webhook_id,
                "traceparent": traceparent,
            },
            content=body,
            extensions=self._extensions,
        )
        return await self._exchange(request, target.timeout_seconds, confidential)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _exchange(self, request: httpx.Request, timeout_seconds: float, confidential: Confidential) -> Reply:
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
        headers = {
            name: _redacted(text, confidential)[:HEADER_LENGTH]
            for name in KEPT_HEADERS
            if (text := response.headers.get(name))
        }
        return Reply(
            http_status=response.status_code,
            fault=None,
            duration_seconds=duration,
            # A body is taken as it came: unpacked, a few bytes can become gigabytes.
            excerpt=None if "content-encoding" in headers else _excerpt(content, confidential),
            retry_after=response.headers.get("retry-after"),
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


async def _read(response: httpx.Response, content: bytearray) -> None:
    # Of the transport's own stream; the client, which is not used, would wrap it.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        content += chunk
        if len(content) >= MAX_RESPONSE_BYTES:
            return


def _excerpt(content: bytearray, confidential: Confidential) -> str | None:
    return _redacted(content.decode(errors="replace"), confidential)[:EXCERPT_BYTES] or None


def _redacted(text: str, confidential: Confidential) -> str:
    """What a receiver said, as it may be kept and shown: some of them repeat what they were sent."""
    for secret in confidential.spoken:
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
