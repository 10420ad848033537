"""All services, as the holder of one key asks them."""

from dataclasses import dataclass

from analytics_service.adapters.peers import Peer, Peers
from analytics_service.console.clients.analytics import AnalyticsClient
from analytics_service.console.clients.events import EventsClient
from analytics_service.console.clients.http import Api


@dataclass(frozen=True)
class Services:
    """A client of each service, with one key."""

    events: EventsClient
    analytics: AnalyticsClient
    users: Api
    deliveries: Api


def services_for(peers: Peers, own: Peer, key: str | None) -> Services:
    """The services as the holder of ``key`` may ask them, or the console itself without one."""
    return Services(
        events=EventsClient(Api(peers.events, key)),
        analytics=AnalyticsClient(Api(own, key)),
        users=Api(peers.users, key),
        deliveries=Api(peers.deliveries, key),
    )
