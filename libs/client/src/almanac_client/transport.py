"""Requests: authorised, repeated where that is safe, and errors as exceptions."""

import asyncio
import random
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import httpx

from almanac_client.errors import ApiError, NotReachableError
from almanac_client.models import Model

M = TypeVar("M", bound=Model)

ATTEMPTS = 5
"""Of a request to a service that is unavailable or busy (429, 502, 503, 504)."""
INITIAL_INTERVAL = 0.2
"""Seconds before the second attempt; doubled before each further one, with full jitter."""
MAXIMUM_INTERVAL = 5.0
"""Seconds; also what is honoured of a Retry-After."""
PAGE_SIZE = 200
"""What the APIs give on one page at most."""
_AWAY = frozenset({429, 502, 503, 504})
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

Query = Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Api:
    """One service's API.

    A request is repeated where that cannot do a thing twice: reads, PUT and DELETE, and a POST with an
    ``Idempotency-Key``. Others are repeated only where the connection could not be made, or the service said that it
    is busy.
    """

    http: httpx.AsyncClient
    url: str
    attempts: int = field(default=ATTEMPTS)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a request that was successful.

        Raises:
            ApiError: the service refused it.
            NotReachableError: it did not answer, after five attempts.
        """
        given = {**(headers or {})}
        parameters = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        repeatable = method in _SAFE or "Idempotency-Key" in given
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            try:
                response = await self.http.request(
                    method, f"{self.url}{path}", params=parameters, json=body, headers=given
                )
            except httpx.ConnectError as error:
                if last:
                    raise NotReachableError(f"{self.url} does not answer: {error}") from error
                await asyncio.sleep(_interval(attempt, None))
                continue
            except httpx.TransportError as error:
                if last or not repeatable:
                    raise NotReachableError(f"{self.url} broke off: {type(error).__name__} {error}") from error
                await asyncio.sleep(_interval(attempt, None))
                continue
            if response.status_code in _AWAY and not last:
                await asyncio.sleep(_interval(attempt, response.headers.get("Retry-After")))
                continue
            if response.is_error:
                raise ApiError.of(response)
            return response
        raise AssertionError

    async def get(self, model: type[M], path: str, query: Query | None = None) -> M:
        """Read one thing."""
        return model.model_validate_json((await self.request("GET", path, query=query)).content)

    async def pages(self, model: type[M], path: str, query: Query | None = None) -> AsyncIterator[M]:
        """Read a list to its end, page by page."""
        cursor: str | None = None
        while True:
            page = (
                await self.request("GET", path, query={"limit": PAGE_SIZE, **(query or {}), "cursor": cursor})
            ).json()
            for item in page["items"]:
                yield model.model_validate(item)
            cursor = page["nextCursor"]
            if cursor is None:
                return

    async def upload(
        self, model: type[M], path: str, content: AsyncIterable[bytes], *, key: str, media_type: str, query: Query
    ) -> M:
        """POST a body of any length once; there is no time limit on it.

        Raises:
            ApiError, NotReachableError: what the service has stored by then is kept; the same body with the same
                key continues after it.
        """
        headers = {"Idempotency-Key": key, "Content-Type": media_type}
        parameters = {name: _text(value) for name, value in query.items() if value is not None}
        try:
            response = await self.http.post(
                f"{self.url}{path}",
                params=parameters,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(30, read=None, write=None),
            )
        except httpx.TransportError as error:
            raise NotReachableError(f"{self.url} broke off: {type(error).__name__} {error}") from error
        if response.is_error:
            raise ApiError.of(response)
        return model.model_validate_json(response.content)


def new_key() -> str:
    """An ``Idempotency-Key`` for one create."""
    return str(uuid4())


def _interval(attempt: int, retry_after: str | None) -> float:
    if retry_after is not None and retry_after.isdecimal():
        return min(float(retry_after), MAXIMUM_INTERVAL)
    return random.uniform(0, min(INITIAL_INTERVAL * 2**attempt, MAXIMUM_INTERVAL))


def _text(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
