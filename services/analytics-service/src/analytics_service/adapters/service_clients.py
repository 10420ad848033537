"""The other services' HTTP APIs. They show what they know and do what a person asks; no event waits for them."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from analytics_service.domain.errors import (
    RequestRefusedError,
    ServiceClientError,
    ServiceNotConfiguredError,
    ServiceUnreachableError,
    ServiceUnreadyError,
)
from chassis.telemetry import tracing
from contracts.wire import wire_name

T = TypeVar("T")

_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_KEY_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TYPE_PREFIX = "urn:almanac:problem:"
_problem: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@cache
def _tls() -> ssl.SSLContext:
    """One for all peers: each reads the CA certificates again, in 15 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Answer(BaseModel):
    """A part of what another service answers; other fields are ignored."""

    model_config = ConfigDict(alias_generator=wire_name, extra="ignore")


class ServiceClient:
    """One other service.

    Args:
        base_url: where its API answers; None where that is not known, and every call raises PeerUnknownError.
        key: our own bearer key for it. A call may bring another, to act for a person.
        transport: used instead of the network.
    """

    def __init__(
        self,
        name: str,
        base_url: str | None,
        *,
        key: str | None,
        timeout_seconds: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._base_url = base_url
        self._key = key
        # httpx' own pool costs time linear in its connections; aiohttp's does not (docs/architecture.md#dependencies).
        self._client = httpx.AsyncClient(
            transport=transport or AiohttpTransport(verify=_tls(), trust_env=False),
            timeout=timeout_seconds,
            trust_env=False,
        )

    @property
    def configured(self) -> bool:
        """Whether there is an address to ask."""
        return self._base_url is not None

    async def get(
        self,
        path: str,
        shape: type[T] | TypeAdapter[T],
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> T:
        """What the service answers, as ``shape``.

        Raises:
            PeerError: it is not configured, does not answer, refuses, or answers with another shape.
        """
        adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
        answer = await self._send("GET", path, params=params, key=key)
        try:
            return adapter.validate_json(answer.content)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise ServiceClientError(
                f"{self.name} answered {path} with a body that is not understood, at {where!r}"
            ) from None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """Have something done; the JSON of the answer, or None where it has no body.

        ``timeout_seconds`` is for what may take longer than an answer usually does.

        Raises:
            PeerError: as for :meth:`get`.
        """
        answer = await self._send(
            method, path, params=params, body=body, headers=headers, key=key, timeout_seconds=timeout_seconds
        )
        return answer.json() if answer.content else None

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        timeout_seconds: float | None = None,
    ) -> httpx.Response:
        bearer = key or self._key
        if self._base_url is None or bearer is None:
            missing = "address" if self._base_url is None else "key"
            raise ServiceNotConfiguredError(f"the {missing} of {self.name} is not configured")
        sent = {"Authorization": f"Bearer {bearer}", **(headers or {})}
        if traceparent := tracing.current_traceparent():
            sent["traceparent"] = traceparent
        known = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            answer = await self._client.request(
                method,
                f"{self._base_url}{path}",
                params=known,
                json=body,
                headers=sent,
                timeout=httpx.USE_CLIENT_DEFAULT if timeout_seconds is None else timeout_seconds,
            )
        except httpx.TransportError:
            # The transport has one class for a connection that broke and for one that was too slow.
            raise ServiceUnreachableError(f"{self.name} does not answer") from None
        if not answer.is_success:
            raise self._refusal(answer, ours=key is None)
        return answer

    def _refusal(self, answer: httpx.Response, *, ours: bool) -> ServiceClientError:
        if answer.status_code in _AWAY:
            return ServiceUnreadyError(f"{self.name} answers that it is not available")
        if ours and answer.status_code in _KEY_REFUSED:
            return ServiceClientError(f"{self.name} refused the key of this service")
        if not answer.is_client_error:
            return ServiceClientError(f"{self.name} answered with status {answer.status_code}")
        try:
            problem = _problem.validate_json(answer.content)
        except ValidationError:
            problem = {}
        title = str(problem.get("title") or HTTPStatus(answer.status_code).phrase)
        return RequestRefusedError(
            str(problem.get("detail") or title),
            status=answer.status_code,
            slug=str(problem.get("type") or "refused").removeprefix(_TYPE_PREFIX),
            title=title,
            faults=[
                (str(fault["field"]), str(fault["detail"]))
                for fault in problem.get("errors") or ()
                if isinstance(fault, dict) and {"field", "detail"} <= fault.keys()
            ],
        )


@dataclass(frozen=True, slots=True)
class ServiceClients:
    """The three other services."""

    users: ServiceClient
    events: ServiceClient
    deliveries: ServiceClient

    async def aclose(self) -> None:
        await asyncio.gather(self.users.aclose(), self.events.aclose(), self.deliveries.aclose())
