"""Requests: authorised, repeated where that is safe, and errors as exceptions."""

import asyncio
import random
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from pydantic import ValidationError

from almanac_client.errors import (
    UNAVAILABLE,
    NotConfiguredError,
    NotReachableError,
    UnexpectedAnswerError,
    error_of,
)
from contracts.http.model import HttpModel, ListPage

M = TypeVar("M", bound=HttpModel)

ATTEMPTS = 5
"""Of a request to a service that is unavailable or busy (429, 502, 503, 504)."""
INITIAL_INTERVAL = 0.2
"""Seconds before the second attempt; doubled before each further one, with full jitter."""
MAXIMUM_INTERVAL = 5.0
"""Seconds; also what is honoured of a Retry-After."""
PAGE_SIZE = 200
"""What the APIs give on one page at most."""
_RETRIED = UNAVAILABLE | {429}
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

Query = Mapping[str, Any]
"""Parameters by their names on the wire. None is omitted; a sequence repeats its parameter; instants need an offset."""


@dataclass(frozen=True, slots=True)
class Api:
    """One service's API, called with one key.

    A request is repeated where that cannot do a thing twice: reads, PUT and DELETE, and a POST with an
    ``Idempotency-Key``. Others are repeated only where the connection could not be made, or the service said that it
    is busy.
    """

    http: httpx.AsyncClient
    service: str
    url: str | None
    key: str | None = field(repr=False)
    attempts: int = field(default=ATTEMPTS)

    @property
    def configured(self) -> bool:
        """Whether there is an address to call."""
        return self.url is not None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> httpx.Response:
        """Return the response to a request that succeeded.

        ``timeout_seconds`` is for a request that may take longer than the client's timeout.

        Raises:
            NotConfiguredError: there is no address or no key.
            ApiError: the service refused the request, or stayed unavailable.
            NotReachableError: no response in ``attempts`` attempts.
        """
        url, given = self._address(path), {**self._authorization(), **(headers or {})}
        repeatable = method in _SAFE or "Idempotency-Key" in given
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_seconds is None else timeout_seconds
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            try:
                response = await self.http.request(
                    method, url, params=_parameters(query), json=body, headers=given, timeout=timeout
                )
            except httpx.ConnectError as error:
                if last:
                    raise self._unreachable("does not answer", error) from error
                await asyncio.sleep(_interval(attempt, None))
                continue
            except httpx.TransportError as error:
                if last or not repeatable:
                    raise self._unreachable("broke off", error) from error
                await asyncio.sleep(_interval(attempt, None))
                continue
            if response.status_code in _RETRIED and not last:
                await asyncio.sleep(_interval(attempt, response.headers.get("Retry-After")))
                continue
            if response.is_error:
                raise error_of(self.service, response)
            return response
        raise AssertionError

    async def get(self, model: type[M], path: str, query: Query | None = None) -> M:
        """Read one thing. Raises as :meth:`request`, and UnexpectedAnswerError."""
        return self.read(model, await self.request("GET", path, query=query))

    async def send(
        self,
        model: type[M],
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> M:
        """Change something, and read what it is then. Raises as :meth:`get`."""
        response = await self.request(method, path, body=body, headers=headers, timeout_seconds=timeout_seconds)
        return self.read(model, response)

    async def create(self, model: type[M], path: str, body: object, key: str | None) -> M:
        """Create something; once, however often it is called with the same ``key``. Raises as :meth:`get`."""
        return await self.send(model, "POST", path, body, headers={"Idempotency-Key": key or str(uuid4())})

    async def page(self, model: type[M], path: str, query: Query | None = None) -> ListPage[M]:
        """Read one page of a list. Raises as :meth:`get`."""
        return self.read(ListPage[model], await self.request("GET", path, query=query))  # type: ignore[valid-type]

    async def pages(self, model: type[M], path: str, query: Query | None = None) -> AsyncIterator[M]:
        """Read a list to its end, page by page. Raises as :meth:`get`."""
        cursor: str | None = None
        while True:
            page = await self.page(model, path, {"limit": PAGE_SIZE, **(query or {}), "cursor": cursor})
            for item in page.items:
                yield item
            cursor = page.next_cursor
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
        try:
            response = await self.http.post(
                self._address(path),
                params=_parameters(query),
                content=content,
                headers={**self._authorization(), "Idempotency-Key": key, "Content-Type": media_type},
                timeout=httpx.Timeout(30, read=None, write=None),
            )
        except httpx.TransportError as error:
            raise self._unreachable("broke off", error) from error
        if response.is_error:
            raise error_of(self.service, response)
        return self.read(model, response)

    def read(self, model: type[M], response: httpx.Response) -> M:
        """Parse a response's body. Raises UnexpectedAnswerError."""
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            path = response.request.url.path
            raise UnexpectedAnswerError(
                self.service, f"{self.service} answered {path} with a body that is not understood, at {where!r}"
            ) from error

    def _address(self, path: str) -> str:
        if self.url is None:
            raise NotConfiguredError(self.service, f"the address of {self.service} is not configured")
        return f"{self.url.rstrip('/')}{path}"

    def _authorization(self) -> Mapping[str, str]:
        if self.key is None:
            raise NotConfiguredError(self.service, f"the key of {self.service} is not configured")
        return {"Authorization": f"Bearer {self.key}"}

    def _unreachable(self, what: str, error: httpx.TransportError) -> NotReachableError:
        return NotReachableError(
            self.service, f"{self.service} at {self.url} {what}: {type(error).__name__} {error}".rstrip()
        )


def _interval(attempt: int, retry_after: str | None) -> float:
    if retry_after is not None and retry_after.isdecimal():
        return min(float(retry_after), MAXIMUM_INTERVAL)
    return random.uniform(0, min(INITIAL_INTERVAL * 2**attempt, MAXIMUM_INTERVAL))


def _parameters(query: Query | None) -> dict[str, Any]:
    return {
        name: [_text(each) for each in value]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else _text(value)
        for name, value in (query or {}).items()
        if value is not None
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
