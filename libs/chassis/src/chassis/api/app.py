"""The application of a service's API: its routes, what every service has, OpenAPI."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI

from chassis.api import dead_letters, health, usage
from chassis.api.base import create_base
from chassis.api.docs import mount_docs
from chassis.api.openapi import document
from chassis.api.problems import Problems
from chassis.core.settings import ApiKey
from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging.outbox import Outbox


def create_app(
    title: str,
    *,
    routers: Sequence[APIRouter],
    problems: Problems,
    keys: Sequence[ApiKey],
    readiness: health.Readiness,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    cache: ReadCache,
    state: Mapping[str, object] = MappingProxyType({}),
) -> FastAPI:
    """Build the application.

    Args:
        routers: the service's own; what every service has is added. None: only health and metrics.
        state: what those routers ask for beyond what every service has.
        problems: how the service's own errors are answered.
    """
    app = create_base(title, keys=keys, readiness=readiness, problems=problems, routers=routers)
    app.state.database, app.state.clock, app.state.outbox, app.state.cache = database, clock, outbox, cache
    for name, value in state.items():
        setattr(app.state, name, value)
    if routers:
        for router in (*routers, dead_letters.router, usage.router):
            app.include_router(router)

        mount_docs(app)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI's documentation extends the schema
    return app
