"""The services' HTTP APIs, as far as the stack uses them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

# A service that has just been restarted is unavailable for a few seconds; this spans half a minute.
_RETRY_DELAYS = (0.1, 0.3, 1.0, 3.0, 10.0, 15.0)


class RefusedError(Exception):
    """The API refused what it was given; the message says why, in a line."""


class ApiError(Exception):
    """The API did not do its part."""


@dataclass(frozen=True)
class Almanac:
    """A client of the four APIs. A request to an unavailable service is retried for half a minute."""

    client: httpx.AsyncClient
    user_url: str
    event_url: str
    delivery_url: str

    async def create_user(self, user: Mapping[str, object], idempotency_key: str) -> str:
        """Create a user; returns the id. Raises RefusedError for a user that the API does not accept, or ApiError."""
        answer = await self.request("POST", f"{self.user_url}/v1/users", user, idempotency_key)
        return str(answer["id"])

    async def create_endpoint(self, url: str, description: str) -> tuple[str, str]:
        """Register a webhook endpoint for every event; returns its id and its signing secret."""
        answer = await self.request(
            "POST", f"{self.delivery_url}/v1/endpoints", {"url": url, "description": description}
        )
        return str(answer["id"]), str(answer["secret"])

    async def endpoints(self) -> list[dict[str, Any]]:
        """The registered endpoints (the first page, which is all that this stack ever has)."""
        items: list[dict[str, Any]] = (await self.request("GET", f"{self.delivery_url}/v1/endpoints"))["items"]
        return items

    async def delete_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint."""
        await self.request("DELETE", f"{self.delivery_url}/v1/endpoints/{endpoint_id}")

    async def users_scheduled(self) -> int:
        """How many users event-service knows and has an event for. Right while each user has one, the birthday."""
        summary = await self.request("GET", f"{self.event_url}/v1/events/summary")
        return min(int(summary["recipients"]), int(summary["pending"]) + int(summary["processing"]))

    async def broadcast(self, at: datetime, message: str) -> str:
        """Notify all users at a local time of their own zone; returns the broadcast's id."""
        body = {"audience": {"all": True}, "at": at.isoformat(), "message": message}
        return str((await self.request("POST", f"{self.event_url}/v1/broadcasts", body, "broadcast"))["id"])

    async def broadcast_progress(self, broadcast_id: str) -> tuple[str, int]:
        """The broadcast's status, and how many events were made for it."""
        answer = await self.request("GET", f"{self.event_url}/v1/broadcasts/{broadcast_id}")
        return str(answer["status"]), int(answer["scheduled"])

    async def request(
        self, method: str, url: str, body: Mapping[str, object] | None = None, idempotency_key: str | None = None
    ) -> Any:
        """One request; an update takes any version. Raises RefusedError or ApiError."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        if method == "PATCH":
            headers["If-Match"] = "*"
        fault = ""
        for delay in (*_RETRY_DELAYS, None):
            try:
                answer = await self.client.request(method, url, json=body, headers=headers)
            except httpx.TransportError as error:
                fault = repr(error)
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                fault = _reason(answer)
                if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                    break
                if answer.is_client_error and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    raise RefusedError(fault)
            if delay is not None:
                await asyncio.sleep(delay)
        raise ApiError(f"{method} {url}: {fault}")


@asynccontextmanager
async def open_almanac(api_key: str, *, user_url: str, event_url: str, delivery_url: str) -> AsyncIterator[Almanac]:
    """A client with its connections, closed at the end."""
    # httpx' own pool costs time linear in its connections; aiohttp's does not (docs/architecture.md#dependencies).
    async with httpx.AsyncClient(
        transport=AiohttpTransport(trust_env=False),
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=30,
        trust_env=False,
    ) as client:
        yield Almanac(client, user_url, event_url, delivery_url)


def _reason(answer: httpx.Response) -> str:
    """An RFC 9457 problem in one line: each field with its fault, or the problem's detail or title."""
    try:
        problem = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    faults = [
        ": ".join(str(part) for part in (error.get("field") or error.get("pointer"), error.get("detail")) if part)
        for error in problem.get("errors") or ()
    ]
    return "; ".join(filter(None, faults)) or problem.get("detail") or problem.get("title") or str(answer.status_code)
