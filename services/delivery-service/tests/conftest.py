"""The service in this process: its pools alone on a database, or all of it on an AWS account too."""

import hashlib
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from delivery_scene import CIPHER, LOOPBACK, SECURITY, TRACEPARENT, Scene, due_event
from opentelemetry.sdk.resources import Resource
from pydantic import SecretStr

from chassis.core.settings import ApiKey, Scope
from chassis.database.database import Database
from chassis.service.runtime import Runtime, open_runtime
from chassis.telemetry.tracing import start_tracing
from contracts.vocabulary import Channel
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import Confidential
from delivery_service.adapters.signatures import generate_secret
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.domain.attempts import Reply
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from delivery_service.domain.signing import KEY_BYTES, Secret
from delivery_service.main import SERVICE
from delivery_service.settings import Settings
from testkit import AwsAccount, Receiver
from testkit.plugin import DatabaseFactory


@pytest.fixture(autouse=True, scope="session")
def _trace_ids() -> None:
    """As in production without a collector: nothing is recorded, but every trace has its id."""
    start_tracing(Resource.create({}), endpoint=None, ratio=1)


def _key(name: str, *scopes: Scope) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scopes=frozenset(scopes))


@pytest.fixture
async def runtime(
    database: DatabaseFactory, aws: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime[Settings]]:
    """The keys `reader`, `writer` and `editor` (both scopes) are their holders' names."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SECRET_KEYS", b64encode(b"k" * KEY_BYTES).decode())
    settings = Settings(
        database_url=SecretStr(await database("delivery-service")),
        api_keys=(_key("reader", "read"), _key("writer", "write"), _key("editor", "read", "write")),
        webhook_allowed_networks=LOOPBACK.networks,
        webhook_allowed_ports=frozenset(),
        retry_base_seconds=0.05,
        shutdown_grace_seconds=10,
        dlq_drain_seconds=0.2,
    )
    async with open_runtime(settings, name="delivery-service") as opened:
        yield opened


@pytest.fixture
async def api(runtime: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the scopes `read` and `write`."""
    app = SERVICE.app(runtime)
    app.state.security = SECURITY
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer editor"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


@pytest.fixture
async def store(database: DatabaseFactory) -> AsyncIterator[Database]:
    """A database of the test's own, without anything around it."""
    opened = Database(await database("delivery-service"), pool_size=10)
    yield opened
    await opened.close()


@pytest.fixture
def scene(store: Database, receiver: Receiver) -> Scene:
    """That database, and a receiver."""
    return Scene(store, receiver)


@pytest.fixture
def api_scene(runtime: Runtime[Settings], receiver: Receiver) -> Scene:
    """The same on the database of `runtime` and `api`."""
    return Scene(runtime.database, receiver)


@pytest.fixture
def attempt() -> Callable[..., Awaitable[Reply]]:
    """`await attempt(url, …)` makes one attempt at a webhook with a sender of its own, or with the one given."""

    async def make(
        url: str,
        due: dict[str, Any] | None = None,
        *,
        timeout_seconds: int = 5,
        secrets: Sequence[Secret] = (),
        headers: Mapping[str, str] | None = None,
        guard: SsrfGuard | None = None,
        tls: ssl.SSLContext | None = None,
        sender: WebhookSender | None = None,
    ) -> Reply:
        endpoint_id = uuid4()
        sealed = CIPHER.encrypt(
            endpoint_id, Confidential(tuple(secrets) or (Secret(generate_secret()),), headers or {})
        )
        target = Target(endpoint_id, 1, Channel.WEBHOOK, url, sealed, timeout_seconds)
        dispatch = Dispatch(
            delivery_id=uuid4(),
            event_id=uuid4(),
            lease=Lease.begin(90),
            tries=0,
            due=json.dumps(due or due_event()),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            traceparent=None,
            target=target,
        )
        if sender is not None:
            return await sender.send(dispatch, target, TRACEPARENT)
        poster = Poster(connections=2, connect_seconds=1, guard=guard or SsrfGuard(LOOPBACK), tls=tls)
        try:
            return await WebhookSender(poster, CIPHER).send(dispatch, target, TRACEPARENT)
        finally:
            await poster.aclose()

    return make
