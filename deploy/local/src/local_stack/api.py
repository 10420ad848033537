"""The client of the services' APIs, as the stack uses it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

import almanac_client
from almanac_client import ApiError, Services

ATTEMPTS = 16
"""A service that has just been restarted is unavailable for a few seconds; these attempts span half a minute."""
_NOT_REFUSALS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class Almanac(almanac_client.Almanac):
    """The client, with its connections and addresses for requests that it does not make."""

    def __init__(self, client: httpx.AsyncClient, api_key: str, services: Services) -> None:
        super().__init__(services, api_key, http=client, attempts=ATTEMPTS)
        self.client = client
        self.user_url, self.event_url = services.users or "", services.events or ""

    async def create_user(self, user: Mapping[str, Any], idempotency_key: str) -> str:
        """Create a user; returns the id. Raises AlmanacError."""
        return str((await self.users.create(user, key=idempotency_key)).id)

    async def users_scheduled(self) -> int:
        """How many users event-service knows and has an event for. Right while each user has one, the birthday."""
        summary = await self.events.summary()
        return min(summary.recipients, summary.pending + summary.processing)

    async def send_all_to(self, *urls: str) -> None:
        """Make these webhooks the only endpoints."""
        async for endpoint in self.endpoints.iterate():
            await self.endpoints.delete(endpoint.id)
        for url in urls:
            await self.endpoints.create({"url": url})


@asynccontextmanager
async def open_almanac(api_key: str, services: Services) -> AsyncIterator[Almanac]:
    """A client with its connections, closed at the end."""
    # httpx' own pool costs time linear in its connections; aiohttp's does not (docs/architecture.md#dependencies).
    async with httpx.AsyncClient(
        transport=AiohttpTransport(trust_env=False),
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=30,
        trust_env=False,
    ) as client:
        yield Almanac(client, api_key, services)


def refusal(error: ApiError) -> str | None:
    """Return why a request was refused: each field with its rule, or the problem's detail. None of another failure."""
    if not 400 <= error.status < 500 or error.status in _NOT_REFUSALS:
        return None
    return "; ".join(f"{field}: {rule}" for field, rule in error.faults) or error.sentence()
