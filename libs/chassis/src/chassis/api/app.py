"""The application of every service: routes, errors, health, metrics, OpenAPI, tracing."""

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import Span

from chassis.api import dead_letters, health, usage
from chassis.api.auth import Keyring, public_paths
from chassis.api.docs import mount_docs
from chassis.api.intake import KNOWN, STORABLE, Intake
from chassis.api.openapi import document
from chassis.api.problems import Problems, documented, install_handlers
from chassis.core.lifecycle import Stopping
from chassis.core.settings import ApiKey
from chassis.database.clock import Clock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging.outbox import Outbox

UNTRACED = ("healthz", "readyz", "metrics", "_nicegui", "assets/")
"""Addresses that are asked again and again and tell nothing of an event: probes, and a site's own files and socket."""


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
    app = FastAPI(
        title=f"Almanac {title}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if routers else None,
        responses=documented(400, 401, 403, 408, 413, 422, 500, 503),
        dependencies=[STORABLE, KNOWN],
        separate_input_output_schemas=False,
        redirect_slashes=False,
    )
    app.state.keyring = keyring = Keyring(keys)
    app.add_middleware(Intake, keyring=keyring, public=public_paths(routers))
    app.state.database, app.state.clock, app.state.outbox, app.state.cache = database, clock, outbox, cache
    app.state.stopping = Stopping()
    for name, value in state.items():
        setattr(app.state, name, value)
    install_handlers(app, problems)
    app.include_router(health.router(readiness))
    if routers:
        for router in (*routers, dead_letters.router, usage.router):
            app.include_router(router)

        mount_docs(app)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI's documentation extends the schema
    # Read when the first application is instrumented. Without it, series are named by the Host header of each request.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls="healthz,readyz,metrics,_nicegui,assets/",
        exclude_spans=["receive", "send"],
        server_request_hook=_without_values,
    )
    return app


def _without_values(span: Span, scope: dict[str, Any]) -> None:
    """Leave out the query: its values are addresses, zones and tags of people, its names whatever a client sends."""
    if span.is_recording():
        if scope.get("query_string"):
            span.set_attribute("url.query", "REDACTED")
        # The instrumentation takes the Host header as it is; the port has an attribute of its own.
        if host := next((value for name, value in scope["headers"] if name == b"host"), None):
            span.set_attribute("server.address", re.sub(r":\d+$", "", host.decode("latin-1")))
