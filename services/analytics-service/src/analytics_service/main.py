"""The composition root of analytics-service."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analytics_service.adapters.peers import Peer, Peers
from analytics_service.api import costs, endpoints, engagement, metrics, timelines
from analytics_service.application.retention import RetentionSweep
from analytics_service.domain.errors import AnalyticsServiceError
from analytics_service.domain.grains import Grain
from analytics_service.settings import Settings
from analytics_service.subscribers.facts import facts_handler
from chassis.api import status
from chassis.lifecycle import Loop, Role
from chassis.runtime import Runtime, Sweep
from chassis.service import Service


def consumer(runtime: Runtime[Settings]) -> Sequence[Role]:
    """Facts from the domain bus and the dead-letter topic; forgetting what is past its retention."""
    settings, database = runtime.settings, runtime.database
    facts, dead_letters = runtime.topology.queue("analytics"), runtime.topology.queue("dlq-alerts")
    retention = RetentionSweep(
        database,
        rollup_days={
            Grain.MINUTE: settings.minute_retention_days,
            Grain.HOUR: settings.hour_retention_days,
            Grain.DAY: settings.day_retention_days,
        },
        timeline_days=settings.timeline_retention_days,
    )
    return [
        *runtime.consume(
            facts,
            facts_handler(facts, database),
            receivers=settings.consumer_receivers,
            max_batch=settings.consumer_batch_messages,
        ),
        *runtime.consume(dead_letters, facts_handler(dead_letters, database)),
        # There is no outbox and so no relay, which forgets old inbox ids elsewhere.
        Loop("sweep", Sweep(database, settings).step),
        Loop("retention", retention.step),
    ]


def open_peers(runtime: Runtime[Settings]) -> Peers:
    """The other services' APIs, with connections that are closed with the runtime."""
    settings = runtime.settings
    key = None if settings.services_api_key is None else settings.services_api_key.get_secret_value()

    def peer(name: str, url: str | None) -> Peer:
        return Peer(name, url, key=key, timeout_seconds=settings.services_timeout_seconds)

    peers = Peers(
        users=peer("user-service", settings.user_service_url),
        events=peer("event-service", settings.event_service_url),
        deliveries=peer("delivery-service", settings.delivery_service_url),
    )
    runtime.closing.push_async_callback(peers.aclose)
    return peers


def state(runtime: Runtime[Settings]) -> Mapping[str, object]:
    settings = runtime.settings
    return {"peers": open_peers(runtime), "jaeger_url": settings.jaeger_url, "prices": settings.prices}


SERVICE = Service(
    name="analytics-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    error=AnalyticsServiceError,
    routers=(metrics.router, endpoints.router, engagement.router, timelines.router, costs.router, status.router),
    roles={"consumer": consumer},
    relays=False,
    state=state,
)
