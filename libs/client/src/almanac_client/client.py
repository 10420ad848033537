"""The client of all four APIs."""

from dataclasses import dataclass
from typing import Self

import httpx

from almanac_client.analytics import Analytics
from almanac_client.deliveries import Deliveries, Endpoints
from almanac_client.events import Events, Schedules
from almanac_client.transport import ATTEMPTS, Api
from almanac_client.users import Users

TIMEOUT = httpx.Timeout(30)
"""Seconds for one request, imports excepted."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where the four APIs are, without a path."""

    users: str
    events: str
    deliveries: str
    analytics: str

    @classmethod
    def on(cls, url: str, *, first_port: int = 8001) -> Self:
        """All on one host, on consecutive ports, as the one-machine stack has them."""
        base = url.rstrip("/")
        return cls(*(f"{base}:{first_port + offset}" for offset in range(4)))


class Almanac:
    """Calls the four APIs with one key. Use it as an asynchronous context manager.

    Args:
        services: where they are.
        key: an API key; ``read`` is enough for whatever changes nothing.
        http: a client of your own, which stays open; by default one is made.
        attempts: of a request to an unavailable service.
    """

    def __init__(
        self, services: Services, key: str, *, http: httpx.AsyncClient | None = None, attempts: int = ATTEMPTS
    ) -> None:
        self._own = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)
        self._http.headers["Authorization"] = f"Bearer {key}"
        users, events, deliveries, analytics = (
            Api(self._http, url.rstrip("/"), attempts)
            for url in (services.users, services.events, services.deliveries, services.analytics)
        )
        self.users = Users(users)
        self.events = Events(events)
        self.schedules = Schedules(events)
        self.endpoints = Endpoints(deliveries)
        self.deliveries = Deliveries(deliveries)
        self.analytics = Analytics(analytics)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._own:
            await self._http.aclose()
