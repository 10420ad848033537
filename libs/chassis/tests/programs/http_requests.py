"""Calls an API as 2,000 arbitrary clients would, and checks its series and spans. A process of its own: providers are
global."""

import asyncio
import hashlib
import itertools
from datetime import UTC, datetime

import httpx
from fastapi import APIRouter
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.api.app import create_app
from chassis.api.auth import READ
from chassis.api.health import Readiness
from chassis.core.settings import ApiKey, ServiceSettings
from chassis.database.clock import ManualClock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging.outbox import Outbox
from chassis.telemetry.metrics import render, start_metrics

MARKER = "xanthippe"
router = APIRouter(prefix="/v1/people", dependencies=[READ])


@router.get("")
async def search(email: str | None = None) -> dict[str, str]:
    return {}


@router.get("/{person}")
async def read(person: str) -> dict[str, str]:
    return {}


async def main() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    start_metrics(Resource.create({}))
    settings = ServiceSettings()
    app = create_app(
        "sample",
        routers=(router,),
        problems={},
        keys=[ApiKey(name="k", sha256=hashlib.sha256(b"key").hexdigest(), scopes=frozenset({"read"}))],
        readiness=Readiness(),
        database=Database(settings.database_url.get_secret_value()),
        clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)),
        outbox=Outbox(),
        cache=ReadCache(None, prefix="sample"),
    )
    key = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        for headers in ({}, key):
            await client.get(f"/v1/people?email={MARKER}@example.org", headers=headers)
            await client.get(f"/v1/people/{MARKER}@example.org", headers=headers)
            await client.get("/v1/nothing", headers=headers)
        warm = 0
        methods = itertools.cycle(["GET", "POST", "BREW", "XYZZY"])
        for number in range(2_000):
            headers = {
                "Host": f"host-{number}.example",
                "User-Agent": f"agent-{number}",
                "X-Forwarded-Proto": f"p{number}",
            }
            path = f"/v1/people/{number}" if number % 2 else f"/v1/made-up-{number}"
            answer = await client.request(
                next(methods), f"{path}?q{number}=1", headers=headers | (key if number % 3 else {})
            )
            assert answer.status_code in {200, 401, 404, 405, 422}, answer.text
            if number == 200:
                warm = render()[0].decode().count("\n")
        text = render()[0].decode()
    # Each method, route and status has come by then.
    assert text.count("\n") == warm, (warm, text.count("\n"))
    assert len(text) < 150_000, len(text)
    series = [line for line in text.splitlines() if line.startswith("http_server_request_duration_seconds_count")]
    assert 5 <= len(series) < 40, series
    assert not [line for line in text.splitlines() if "host-" in line or "agent-" in line or "made-up" in line]
    assert 'http_route="/v1/people/{person}"' in text
    assert "http_server_duration" not in text
    shown = [span.to_json() for span in spans.get_finished_spans()]
    searches = [each for each in spans.get_finished_spans() if (each.attributes or {}).get("url.query")]
    assert searches
    assert (searches[0].attributes or {})["url.query"] == "REDACTED"
    attributes = searches[0].attributes or {}
    assert {"http.request.method", "url.path", "url.scheme", "server.address"} <= attributes.keys(), attributes
    assert not attributes.keys() & {"http.url", "http.method", "http.target", "http.host", "net.host.port"}, attributes
    assert not [each for each in shown if "email=" in each and MARKER in each.partition("email=")[2].partition('"')[0]]
    print("ok")


asyncio.run(main())
