"""delivery-service's use cases on a database of a test's own, with a receiver: what its tests are made of."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from chassis.core.lifecycle import Loop
from chassis.database.clock import Clock, DatabaseClock
from chassis.database.database import Database
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.messaging.outbox import Outbox
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.vocabulary import EventType, Priority
from delivery_service.adapters.names import Lookup
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application.endpoints import Security, Signing, create_endpoint
from delivery_service.application.pool import DeliveryPool, PoolLimits
from delivery_service.application.ports import Sender
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.endpoints import EndpointConfig
from delivery_service.domain.retries import RetryPolicy
from delivery_service.domain.signing import KEY_BYTES
from delivery_service.subscribers.due_events import due_event_handler
from testkit import Receiver, eventually
from testkit.polling import DEADLINE_SECONDS

OUTCOMES = "SELECT item FROM outbox WHERE type IN ('DeliverySucceeded', 'DeliveryFailed') ORDER BY id"
# Retries at once, so that no test waits for one.
IMPATIENT = RetryPolicy(max_tries=3, base=0.05, factor=2.0, cap=0.1, retry_after_cap=0.2)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# Where the receivers of these tests listen.
LOOPBACK = AllowList((ip_network("127.0.0.0/8"),))
CIPHER = SecretCipher([b"k" * KEY_BYTES])


async def look_up_by_heart(name: str) -> Sequence[str]:
    """No name leaves a test: every one is at a public address, but for those that say that they are nowhere."""
    if name.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ["10.0.0.1"] if name.endswith(".internal") else ["93.184.216.34"]


def leads_to(*addresses: str) -> Lookup:
    """A lookup by which every name leads to these addresses."""

    async def look_up(_: str) -> Sequence[str]:
        return addresses

    return look_up


SECURITY = Security(SsrfGuard(LOOPBACK, lookup=look_up_by_heart), CIPHER)


def due_event(
    event_id: UUID | None = None,
    *,
    event_type: EventType = EventType.BIRTHDAY,
    expires_in: timedelta = timedelta(hours=72),
    **metadata: Any,
) -> dict[str, Any]:
    """A fresh due event as it is on the wire; names are those of its metadata."""
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


async def receive(pool: DeliveryPool, *dues: dict[str, Any], traceparent: str | None = None) -> Sequence[Rejection]:
    """What the consumer of a pool's queue does with one batch."""
    attributes = {"traceparent": traceparent} if traceparent else {}
    messages = [
        ReceivedMessage(str(uuid4()), json.dumps(due), attributes, "handle", 1, time.time() - 0.5) for due in dues
    ]
    return await due_event_handler("bday-events-critical", pool.ingest)(messages)


@dataclass(frozen=True)
class Scene:
    """A database of the service, and the endpoint that a test plays."""

    database: Database
    receiver: Receiver

    async def endpoint(self, **config: Any) -> tuple[UUID, str]:
        """A new endpoint, at the receiver unless a `url` is given: its id and its secret, if any."""
        clock = DatabaseClock(self.database, time_lapse=False)
        wanted = EndpointConfig(**{"url": self.receiver.url, **config})
        created = await create_endpoint(self.database, clock, SECURITY, wanted, Signing(), None)
        return created.endpoint.id, created.secret or ""

    @asynccontextmanager
    async def pool(
        self,
        *,
        priority: Priority = Priority.CRITICAL,
        policy: RetryPolicy = IMPATIENT,
        slots: int = 20,
        slow_slots: int = 200,
        lease_seconds: float = 90,
        claiming: bool = True,
        watching: bool = True,
        grace_seconds: float = 5,
        sender: Sender | None = None,
        circuits: CircuitPolicy = CircuitPolicy(),  # noqa: B008 - it cannot change
        clock: Clock | None = None,
    ) -> AsyncIterator[DeliveryPool]:
        """Run a pool with its claimer, and drain it at the end."""
        limits = PoolLimits(slots, connections=2, lease_seconds=lease_seconds, slow_slots=slow_slots)
        poster = Poster(connections=limits.sockets, connect_seconds=2, guard=SECURITY.guard)
        pool = DeliveryPool(
            priority,
            database=self.database,
            outbox=Outbox(),
            clock=clock or DatabaseClock(self.database, time_lapse=True),
            sender=sender or WebhookSender(poster, CIPHER),
            policy=policy,
            limits=limits,
            circuits=circuits,
        )
        stopping = asyncio.Event()
        loops = [Loop("endpoint-watch", pool.watch_endpoints)] if watching else []
        if claiming:
            loops.append(Loop("claimer", pool.claim, wake=pool.wake))
        running = [asyncio.create_task(loop.run(stopping)) for loop in loops]
        try:
            yield pool
        finally:
            stopping.set()
            await asyncio.gather(*running)
            await pool.drain(grace_seconds)
            await poster.aclose()

    async def outcomes(self) -> list[DeliveryOutcomeItem]:
        """Those in the outbox, oldest first."""
        rows = await self.rows(OUTCOMES)
        return [DeliveryOutcomeItem.model_validate_json(row.item) for row in rows]

    async def ended(self, count: int = 1, timeout: float = DEADLINE_SECONDS) -> list[DeliveryOutcomeItem]:
        """The outcomes, once there are this many."""

        async def there() -> list[DeliveryOutcomeItem]:
            items = await self.outcomes()
            return items if len(items) >= count else []

        return await eventually(there, timeout=timeout) or []

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        """What a statement returns, if anything; it is committed."""
        async with self.database.transaction() as tx:
            result = await tx.execute(text(sql), values)
            return list(result.all()) if result.returns_rows else []
