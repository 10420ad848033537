"""Nothing answers without a key, and a key does what its scopes say: every route of every service that there is."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from analytics_service.main import SERVICE as ANALYTICS
from chassis.api.app import create_app
from chassis.api.health import Readiness
from chassis.core.settings import ApiKey, Scope
from chassis.database.clock import ManualClock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging.outbox import Outbox
from delivery_service.main import SERVICE as DELIVERY
from event_service.main import SERVICE as EVENT
from local_stack import ports
from user_service.main import SERVICE as USER

OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"}
READ_ONLY = {("POST", "/v1/broadcasts/preview")}
"""Takes a body and changes nothing."""
PUBLIC = {("GET", "/v1/calendar.ics")}
"""Their credential is a token in the query, which calendar programs can send."""
PROBLEM = "application/problem+json"


def _key(name: Scope) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scopes=frozenset((name,)))


@pytest.fixture(params=[USER, EVENT, DELIVERY, ANALYTICS], ids=lambda service: service.name)
async def app(request: pytest.FixtureRequest) -> FastAPI:
    """The API of a service whose database is not there: what is refused is refused before it is asked."""
    app = create_app(
        request.param.name,
        routers=request.param.routers,
        problems=request.param.problems,
        keys=(_key("read"), _key("write")),
        readiness=Readiness(),
        database=Database(f"postgresql://postgres@{ports.LOOPBACK}:1/away"),
        clock=ManualClock(datetime(2026, 11, 23, tzinfo=UTC)),
        outbox=Outbox(),
        cache=ReadCache(None, prefix="keys"),
    )
    app.state.rules = None  # looked up by a public route before its query is refused, and not used
    return app


def _operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every documented operation, its parameters filled in."""
    for path, item in app.openapi()["paths"].items():
        filled = "/".join(str(uuid4()) if part.startswith("{") else part for part in path.split("/"))
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            yield method.upper(), filled


async def test_every_route_wants_a_key_with_the_right_scope(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def status(method: str, path: str, key: str | None) -> int:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            answer = await client.request(method, path, headers=headers)
            assert answer.headers["content-type"] == PROBLEM, f"{method} {path} {answer.text}"
            assert answer.json()["status"] == answer.status_code
            return answer.status_code

        checked = 0
        for method, path in _operations(app):
            assert path.startswith("/v1/")
            if (method, path) in PUBLIC:
                assert await status(method, path, None) == 422, "it asks for its token, not for a key"
                continue
            assert await status(method, path, None) == 401, f"{method} {path}"
            assert await status(method, path, "nobody") == 401, f"{method} {path}"
            short = "write" if method == "GET" or (method, path) in READ_ONLY else "read"
            assert await status(method, path, short) == 403, f"{method} {path} with the scope {short!r}"
            checked += 1
        assert checked > 3


async def test_only_health_and_the_document_need_no_key(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in OPEN:
            assert (await client.get(path)).status_code == 200, path
        for path in ("/v1", "/v1/", "/v1/nothing"):
            assert (await client.get(path)).status_code == 401, path
