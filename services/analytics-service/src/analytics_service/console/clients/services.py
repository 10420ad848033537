"""All services, as the holder of one key asks them."""

from collections.abc import Sequence
from dataclasses import dataclass

from analytics_service.adapters.service_clients import ServiceClient, ServiceClients
from analytics_service.console.clients.analytics import AnalyticsClient
from analytics_service.console.clients.events import EventsClient
from analytics_service.console.clients.http import Answer, Api


@dataclass(frozen=True)
class Services:
    """A client of each service, with one key."""

    events: EventsClient
    analytics: AnalyticsClient
    users: Api
    deliveries: Api

    async def users_by_email(self, email: str) -> Sequence[str]:
        """The ids of users with this address."""
        found = await self.users.get("/v1/users", _Users, email=email)
        return [each.id for each in found.items]


class _User(Answer):
    id: str


class _Users(Answer):
    items: tuple[_User, ...]


def services_for(peers: ServiceClients, own: ServiceClient, key: str | None) -> Services:
    """The services as the holder of ``key`` may ask them, or the console itself without one."""
    return Services(
        events=EventsClient(Api(peers.events, key)),
        analytics=AnalyticsClient(Api(own, key)),
        users=Api(peers.users, key),
        deliveries=Api(peers.deliveries, key),
    )
