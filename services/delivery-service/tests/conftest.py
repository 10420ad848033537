"""The service in this process: its pools alone on a database, or all of it on an AWS account too."""

import asyncio
import hashlib
import json
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from opentelemetry.sdk.resources import Resource
from pydantic import SecretStr
from sqlalchemy import text

from chassis.clock import DatabaseClock
from chassis.database import Database
from chassis.lifecycle import Loop
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.outbox import Outbox
from chassis.runtime import Runtime, open_runtime
from chassis.settings import ApiKey, Scope
from chassis.telemetry.tracing import start_tracing
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import EventType, Priority
from delivery_service.adapters.guard import Guard
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.signatures import generate_secret
from delivery_service.adapters.vault import Confidential, Vault
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application.endpoints import Security, Signing, create_endpoint
from delivery_service.application.pool import DeliveryPool, PoolLimits
from delivery_service.application.sending import Sender
from delivery_service.domain.addresses import Reach
from delivery_service.domain.attempts import Reply
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from delivery_service.domain.endpoints import EndpointConfig, Kind
from delivery_service.domain.retries import RetryPolicy
from delivery_service.domain.signing import KEY_BYTES, Secret
from delivery_service.main import SERVICE
from delivery_service.settings import Settings
from delivery_service.subscribers.due_events import due_event_handler
from local_stack.testkit import AwsAccount, Receiver
from local_stack.testkit.plugin import DatabaseFactory

OUTCOMES = "SELECT item FROM outbox WHERE type IN ('DeliverySucceeded', 'DeliveryFailed') ORDER BY id"
# Retries at once, so that no test waits for one.
IMPATIENT = RetryPolicy(max_tries=3, base=0.05, factor=2.0, cap=0.1, retry_after_cap=0.2)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# Where the receivers of these tests listen.
LOOPBACK = Reach((ip_network("127.0.0.0/8"),))
VAULT = Vault([b"k" * KEY_BYTES])
SECURITY = Security(Guard(LOOPBACK), VAULT)


@pytest.fixture(autouse=True, scope="session")
def _trace_ids() -> None:
    """As in production without a collector: nothing is recorded, but every trace has its id."""
    start_tracing(Resource.create({}), endpoint=None, ratio=1)


def _key(name: str, *scopes: Scope) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scopes=frozenset(scopes))


def look_up_by_heart(name: str) -> Sequence[str]:
    if name.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ["10.0.0.1"] if name.endswith(".internal") else ["93.184.216.34"]


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
    # No name leaves the test: every one is at a public address, but for those that say that they are nowhere.
    app.state.security = Security(Guard(LOOPBACK, lookup=look_up_by_heart), VAULT)
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


NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]


@pytest.fixture
def new_endpoint(receiver: Receiver) -> NewEndpoint:
    """`await new_endpoint(database, url=…, …)` gives the id of an endpoint, at `receiver`, and its secret, if any."""

    async def create(database: Database, **config: Any) -> tuple[UUID, str]:
        clock = DatabaseClock(database, time_lapse=False)
        wanted = EndpointConfig(**{"url": receiver.url, **config})
        created = await create_endpoint(database, clock, SECURITY, wanted, Signing(), None)
        return created.endpoint.id, created.secret or ""

    return create


@pytest.fixture
def due_event() -> Callable[..., dict[str, Any]]:
    """`due_event(attempt=2, …)`: a fresh due event as it is on the wire; names are those of its metadata."""

    def make(
        event_id: UUID | None = None,
        *,
        event_type: EventType = EventType.BIRTHDAY,
        expires_in: timedelta = timedelta(hours=72),
        **metadata: Any,
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        event_id = event_id or uuid4()
        return {
            "eventId": str(event_id),
            "eventType": event_type,
            "idempotencyKey": str(event_id),
            "metadata": {
                "userId": str(uuid4()),
                "attempt": 1,
                "occurrence": "2026",
                "priority": "CRITICAL",
                "late": False,
                "expiresAt": (now + expires_in).isoformat(),
                "targetTimestampUTC": now.isoformat(),
                "targetTimestampLocal": now.isoformat(),
                "targetTimezone": "Etc/UTC",
                "tags": [],
                "contact": {"email": "ada@example.org", "phone": None},
                "deliveryPayload": {"message": "Hey, Ada Lovelace it's your birthday"},
                **metadata,
            },
        }

    return make


@pytest.fixture
def receive() -> Callable[..., Awaitable[Sequence[Rejection]]]:
    """`await receive(pool, due, …)` is what the consumer of the pool's queue does with one batch."""

    async def handle(pool: DeliveryPool, *dues: dict[str, Any], traceparent: str | None = None) -> Sequence[Rejection]:
        attributes = {"traceparent": traceparent} if traceparent else {}
        messages = [
            ReceivedMessage(str(uuid4()), json.dumps(due), attributes, "handle", 1, time.time() - 0.5) for due in dues
        ]
        return await due_event_handler("bday-events-critical", pool.take_in)(messages)

    return handle


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
def open_pool() -> Callable[..., AbstractAsyncContextManager[DeliveryPool]]:
    """`async with open_pool(database, …) as pool` runs a pool with its claimer, and drains it at the end."""

    @asynccontextmanager
    async def run(
        database: Database,
        *,
        priority: Priority = Priority.CRITICAL,
        policy: RetryPolicy = IMPATIENT,
        slots: int = 20,
        lease_seconds: float = 90,
        claiming: bool = True,
        grace_seconds: float = 5,
        sender: Sender | None = None,
        circuits: CircuitPolicy = CircuitPolicy(),  # noqa: B008 - it cannot change
    ) -> AsyncIterator[DeliveryPool]:
        poster = Poster(connections=slots, connect_seconds=2, guard=Guard(LOOPBACK))
        pool = DeliveryPool(
            priority,
            database=database,
            outbox=Outbox(),
            sender=sender or WebhookSender(poster, VAULT),
            policy=policy,
            limits=PoolLimits(slots, connections=2, lease_seconds=lease_seconds),
            circuits=circuits,
        )
        stopping = asyncio.Event()
        claimer = asyncio.create_task(Loop("claimer", pool.claim, wake=pool.wake).run(stopping)) if claiming else None
        try:
            yield pool
        finally:
            stopping.set()
            if claimer is not None:
                await claimer
            await pool.drain(grace_seconds)
            await poster.aclose()

    return run


@pytest.fixture
def outcomes() -> Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]:
    """The outcomes that are in a database's outbox, oldest first."""

    async def read(database: Database) -> list[DeliveryOutcomeItem]:
        async with database.read() as connection:
            rows = (await connection.execute(text(OUTCOMES))).all()
        return [DeliveryOutcomeItem.model_validate_json(row.item) for row in rows]

    return read


@pytest.fixture
def rows() -> Callable[..., Awaitable[list[Any]]]:
    """`await rows(database, sql, name=value)`."""

    async def read(database: Database, sql: str, **values: Any) -> list[Any]:
        async with database.transaction() as tx:
            result = await tx.execute(text(sql), values)
            return list(result.all()) if result.returns_rows else []

    return read
