"""The client of all four APIs."""

from dataclasses import dataclass
from typing import Self

import httpx

from almanac_client.analytics import Alerts, Analytics, Silences
from almanac_client.deliveries import DeadLetters, Deliveries, Endpoints
from almanac_client.events import Broadcasts, Events, Schedules
from almanac_client.transport import ATTEMPTS, Api
from almanac_client.users import Users
from contracts.vocabulary import Service

TIMEOUT = httpx.Timeout(30)
"""Seconds for one request, imports excepted."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where the four APIs are, without a path. A call of a service whose address is None raises NotConfiguredError."""

    users: str | None
    events: str | None
    deliveries: str | None
    analytics: str | None

    @classmethod
    def on(cls, url: str, *, first_port: int = 8001) -> Self:
        """All on one host, on consecutive ports, as the one-machine stack has them."""
        base = url.rstrip("/")
        return cls(*(f"{base}:{first_port + offset}" for offset in range(4)))


class Almanac:
    """Calls the four APIs with one key. Use it as an asynchronous context manager.

    Args:
        services: their addresses.
        key: an API key; the scope ``read`` is enough for reads. None: every call raises NotConfiguredError.
        http: a client of your own, which stays open; by default one is made.
        attempts: of a request to an unavailable service.
    """

    def __init__(
        self, services: Services, key: str | None, *, http: httpx.AsyncClient | None = None, attempts: int = ATTEMPTS
    ) -> None:
        self._own = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)
        self._services = services
        self._attempts = attempts

        def api(service: Service, url: str | None) -> Api:
            return Api(self._http, service.value, url, key, attempts)

        events, deliveries = api(Service.EVENT, services.events), api(Service.DELIVERY, services.deliveries)
        analytics = api(Service.ANALYTICS, services.analytics)
        self.users = Users(api(Service.USER, services.users))
        self.events = Events(events)
        self.schedules = Schedules(events)
        self.broadcasts = Broadcasts(events)
        self.endpoints = Endpoints(deliveries)
        self.deliveries = Deliveries(deliveries)
        self.dead_letters = DeadLetters(deliveries)
        self.analytics = Analytics(analytics)
        self.alerts = Alerts(analytics)
        self.silences = Silences(analytics)

    def with_key(self, key: str | None) -> "Almanac":
        """Return a client that shares the connections of this one and calls with another key."""
        return Almanac(self._services, key, http=self._http, attempts=self._attempts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._own:
            await self._http.aclose()
