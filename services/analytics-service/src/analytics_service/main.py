"""The composition root of analytics-service."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import FastAPI

from analytics_service.adapters.peers import Peer, Peers
from analytics_service.api import costs, endpoints, engagement, metrics, timelines
from analytics_service.application.retention import RetentionSweep
from analytics_service.domain.errors import AnalyticsServiceError
from analytics_service.domain.grains import Grain
from analytics_service.settings import Settings
from analytics_service.subscribers.facts import facts_handler
from chassis.api import status
from chassis.api.auth import Keyring
from chassis.api.sites import mount_site
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


def _peer(settings: Settings, name: str, url: str | None) -> Peer:
    key = None if settings.services_api_key is None else settings.services_api_key.get_secret_value()
    return Peer(name, url, key=key, timeout_seconds=settings.services_timeout_seconds)


def _own_address(settings: Settings) -> str:
    host = settings.api_host if settings.api_host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104  # read
    return f"http://[{host}]:{settings.api_port}" if ":" in host else f"http://{host}:{settings.api_port}"


def open_peers(runtime: Runtime[Settings]) -> Peers:
    """The other services' APIs, with connections that are closed with the runtime."""
    settings = runtime.settings
    peers = Peers(
        users=_peer(settings, "user-service", settings.user_service_url),
        events=_peer(settings, "event-service", settings.event_service_url),
        deliveries=_peer(settings, "delivery-service", settings.delivery_service_url),
    )
    runtime.closing.push_async_callback(peers.aclose)
    return peers


def state(runtime: Runtime[Settings]) -> Mapping[str, object]:
    settings = runtime.settings
    return {"peers": open_peers(runtime), "jaeger_url": settings.jaeger_url, "prices": settings.prices}


def console(runtime: Runtime[Settings], app: FastAPI) -> Sequence[Role]:
    """The operators' console at ``/``."""
    # Its framework is of use to this role alone.
    from analytics_service.console.site import Console

    settings = runtime.settings
    own = _peer(settings, "analytics-service", settings.analytics_service_url or _own_address(settings))
    runtime.closing.push_async_callback(own.aclose)
    site = Console(
        Keyring(settings.api_keys), open_peers(runtime), own, session_hours=settings.console_session_hours
    ).open()
    mount_site(app, site.app)
    return [site]


SERVICE = Service(
    name="analytics-service",
    settings=Settings,
    migrations=Path(__file__).parents[2] / "migrations",
    error=AnalyticsServiceError,
    routers=(metrics.router, endpoints.router, engagement.router, timelines.router, costs.router, status.router),
    roles={"consumer": consumer},
    sites={"console": console},
    relays=False,
    state=state,
)
