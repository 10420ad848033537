"""One HTTP POST to an external service."""

from collections.abc import Mapping
from http import HTTPStatus

import httpx
from httpx_aiohttp import AiohttpTransport

from analytics_service.domain.alert_notifications import NotSentError

TIMEOUT_SECONDS = 10.0
EXCERPT = 200
"""Characters of a refusal that are kept."""
_HOPELESS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})


class Posting:
    """Connections of its own; ``transport`` is used instead of the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport or AiohttpTransport(trust_env=False), timeout=TIMEOUT_SECONDS, trust_env=False
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Raises NotSentError, which never says the address: it may be a secret."""
        sent = {"content-type": "application/json", "user-agent": "almanac", **(headers or {})}
        try:
            answer = await self._client.post(url, content=body, headers=sent)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise NotSentError(type(error).__name__) from None
        if not answer.is_success:
            excerpt = answer.text[:EXCERPT].replace(url, "…")
            raise NotSentError(f"HTTP {answer.status_code}: {excerpt}", hopeless=answer.status_code in _HOPELESS)

    async def aclose(self) -> None:
        await self._client.aclose()
