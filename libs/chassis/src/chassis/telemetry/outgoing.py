"""HTTP requests to other services, as parts of the trace in which they are made."""

import ssl
from functools import cache

import httpx
from httpx_aiohttp import AiohttpTransport

from chassis.telemetry import tracing


@cache
def _tls() -> ssl.SSLContext:
    """One context for all clients: each would read the CA certificates again, in 15 ms."""
    return httpx.create_ssl_context(trust_env=False)


def open_http(*, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Open a client that sends the current trace's context and ignores proxies of the environment.

    ``transport`` replaces the network.
    """
    # httpx' own pool costs time linear in its connections; aiohttp's does not (docs/architecture.md#dependencies).
    return httpx.AsyncClient(
        transport=transport or AiohttpTransport(verify=_tls(), trust_env=False),
        timeout=timeout_seconds,
        trust_env=False,
        event_hooks={"request": [_add_context]},
    )


async def _add_context(request: httpx.Request) -> None:
    if traceparent := tracing.current_traceparent():
        request.headers["traceparent"] = traceparent
