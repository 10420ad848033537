"""The service in this process: its pools alone on a database, or all of it on an AWS account too."""

import hashlib
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from delivery_scene import LOOPBACK, SECURITY, TRACEPARENT, VAULT, Scene, due_event, receive
from opentelemetry.sdk.resources import Resource
from pydantic import SecretStr

from chassis.database import Database
from chassis.messaging.consumer import Rejection
from chassis.runtime import Runtime, open_runtime
from chassis.settings import ApiKey, Scope
from chassis.telemetry.tracing import start_tracing
from contracts.messages.delivery import DeliveryOutcomeItem
from delivery_service.adapters.guard import Guard
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.signatures import generate_secret
from delivery_service.adapters.vault import Confidential
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application.pool import DeliveryPool
from delivery_service.domain.attempts import Reply
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from delivery_service.domain.endpoints import Kind
from delivery_service.domain.signing import KEY_BYTES, Secret
from delivery_service.main import SERVICE
from delivery_service.settings import Settings
from local_stack.testkit import AwsAccount, Receiver
from local_stack.testkit.plugin import DatabaseFactory


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


NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]


@pytest.fixture
def new_endpoint(receiver: Receiver) -> NewEndpoint:
    """`await new_endpoint(database, url=…, …)` gives the id of an endpoint, at `receiver`, and its secret, if any."""

    async def create(database: Database, **config: Any) -> tuple[UUID, str]:
        return await Scene(database, receiver).endpoint(**config)

    return create


@pytest.fixture(name="due_event")
def _due_event() -> Callable[..., dict[str, Any]]:
    """`due_event(attempt=2, …)`: a fresh due event as it is on the wire; names are those of its metadata."""
    return due_event


@pytest.fixture(name="receive")
def _receive() -> Callable[..., Awaitable[Sequence[Rejection]]]:
    """`await receive(pool, due, …)` is what the consumer of the pool's queue does with one batch."""
    return receive


@pytest.fixture
def attempt(due_event: Callable[..., dict[str, Any]]) -> Callable[..., Awaitable[Reply]]:
    """`await attempt(url, …)` makes one attempt at a webhook with a sender of its own, or with the one given."""

    async def make(
        url: str,
        due: dict[str, Any] | None = None,
        *,
        timeout_seconds: int = 5,
        secrets: Sequence[Secret] = (),
        headers: Mapping[str, str] | None = None,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
        sender: WebhookSender | None = None,
    ) -> Reply:
        endpoint_id = uuid4()
        sealed = VAULT.seal(endpoint_id, Confidential(tuple(secrets) or (Secret(generate_secret()),), headers or {}))
        target = Target(endpoint_id, 1, Kind.WEBHOOK, url, sealed, timeout_seconds)
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
        poster = Poster(connections=2, connect_seconds=1, guard=guard or Guard(LOOPBACK), tls=tls)
        try:
            return await WebhookSender(poster, VAULT).send(dispatch, target, TRACEPARENT)
        finally:
            await poster.aclose()

    return make


@pytest.fixture
def open_pool(receiver: Receiver) -> Callable[..., AbstractAsyncContextManager[DeliveryPool]]:
    """`async with open_pool(database, …) as pool` runs a pool with its claimer, and drains it at the end."""

    def run(database: Database, **options: Any) -> AbstractAsyncContextManager[DeliveryPool]:
        return Scene(database, receiver).pool(**options)

    return run


@pytest.fixture
def outcomes(receiver: Receiver) -> Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]:
    """The outcomes that are in a database's outbox, oldest first."""

    async def read(database: Database) -> list[DeliveryOutcomeItem]:
        return await Scene(database, receiver).outcomes()

    return read


@pytest.fixture
def rows(receiver: Receiver) -> Callable[..., Awaitable[list[Any]]]:
    """`await rows(database, sql, name=value)`."""

    async def read(database: Database, sql: str, **values: Any) -> list[Any]:
        return await Scene(database, receiver).rows(sql, **values)

    return read
