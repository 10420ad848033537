"""What every HTTP application of ours has, an API or a site: health, metrics, limits of requests, problems, tracing."""

import os
import re
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import Span

from chassis.api import health
from chassis.api.auth import Keyring, public_paths
from chassis.api.intake import KNOWN, STORABLE, Intake
from chassis.api.problems import Problems, documented, install_handlers
from chassis.core.lifecycle import Stopping
from chassis.core.settings import ApiKey

UNTRACED = ("healthz", "readyz", "metrics", "_nicegui", "assets/")
"""Addresses that are asked again and again and tell nothing of an event: probes, and a site's own files and socket."""


def create_base(
    title: str,
    *,
    keys: Sequence[ApiKey],
    readiness: health.Readiness,
    problems: Problems,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """Build an application that answers health checks and metrics. ``routers`` are those that will be added to it."""
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
    app.state.stopping = Stopping()
    install_handlers(app, problems)
    app.include_router(health.router(readiness))
    # Read when the first application is instrumented. Without it, series are named by the Host header of each request.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls=",".join(UNTRACED),
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
