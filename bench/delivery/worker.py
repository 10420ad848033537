"""A pool of delivery-service on a database of its own, and due events for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

from opentelemetry.sdk.resources import Resource
from sqlalchemy import text

from bench import webhook
from chassis.core.lifecycle import Loop
from chassis.database.clock import DatabaseClock
from chassis.database.database import Database
from chassis.database.migrations import upgrade
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import start_tracing
from contracts.vocabulary import EventType, Priority
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application.due_messages import check_due_event, received_event
from delivery_service.application.endpoints import Security, Signing, create_endpoint
from delivery_service.application.pool import DeliveryPool, PoolLimits
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.deliveries import ReceivedEvent
from delivery_service.domain.endpoints import EndpointConfig
from delivery_service.domain.retries import RetryPolicy
from delivery_service.domain.signing import KEY_BYTES

MIGRATIONS = Path(__file__).parents[2] / "services/delivery-service/migrations"
# The service's defaults.
POLICY = RetryPolicy(max_tries=3, base=5, factor=5, cap=3600, retry_after_cap=900)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_GUARD = SsrfGuard(AllowList((ip_network("127.0.0.0/8"),)))
KEY = b"k" * KEY_BYTES
_CIPHER = SecretCipher([KEY])

_EVENTS = text("""
INSERT INTO events (id, attempt, user_id, event_type, priority, due, target_at, expires_at, late, traceparent,
                    received_at, remaining)
SELECT e.id, 1, e.user_id, e.event_type, :priority, e.due, :target_at, :expires_at, false, :traceparent,
       clock_timestamp(), 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:user_ids AS uuid[]), CAST(:types AS text[]), CAST(:dues AS text[]))
     AS e (id, user_id, event_type, due)
""")
_DELIVERIES = text("""
INSERT INTO deliveries (id, event_id, endpoint_id, channel, priority, status, due_at)
SELECT new_id(), e.id, p.id, p.kind, :priority, 'PENDING', clock_timestamp() FROM events e CROSS JOIN endpoints p
WHERE e.id = ANY (CAST(:ids AS uuid[]))
""")
_LEFT = text("SELECT EXISTS (SELECT FROM deliveries WHERE status = 'PENDING' AND priority = :priority)")


@cache
def _give_traces_ids() -> None:
    """Nothing is traced, as in production without a collector, but every trace has its id."""
    start_tracing(Resource.create({}), endpoint=None, ratio=1)


@asynccontextmanager
async def service_database(dsn: str, pool_size: int = 10) -> AsyncIterator[Database]:
    """A migrated database."""
    _give_traces_ids()
    await upgrade(dsn, MIGRATIONS)
    database = Database(dsn, pool_size=pool_size)
    try:
        yield database
    finally:
        await database.close()


async def add_endpoint(database: Database, url: str, **config: Any) -> UUID:
    """An endpoint for webhooks."""
    clock = DatabaseClock(database, time_lapse=False)
    wanted = EndpointConfig(url=url, **config)
    return (await create_endpoint(database, clock, Security(_GUARD, _CIPHER), wanted, Signing(), None)).endpoint.id


def arrivals(indices: Sequence[int], priority: Priority) -> list[ReceivedEvent]:
    """Due events, each that of the webhook with its index."""
    now = datetime.now(UTC)
    return [_arrival(index, priority, now) for index in indices]


async def add_due(database: Database, indices: Sequence[int], priority: Priority) -> None:
    """Store due events, with a delivery that is due for the one endpoint that is there."""
    events = arrivals(indices, priority)
    async with database.transaction() as tx:
        await tx.execute(
            _EVENTS,
            {
                "priority": priority,
                "target_at": events[0].target_at,
                "expires_at": events[0].expires_at,
                "traceparent": TRACEPARENT,
                "ids": [each.event_id for each in events],
                "user_ids": [each.user_id for each in events],
                "types": [each.event_type for each in events],
                "dues": [each.due for each in events],
            },
        )
        await tx.execute(_DELIVERIES, {"priority": priority, "ids": [each.event_id for each in events]})


async def all_recorded(database: Database, priority: Priority) -> None:
    """Return once no delivery of a priority waits or is in flight."""
    while True:
        async with database.read() as connection:
            if not (await connection.execute(_LEFT, {"priority": priority})).scalar_one():
                return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running_pool(database: Database, priority: Priority, *, slots: int) -> AsyncIterator[DeliveryPool]:
    """A pool with its claimer and the watch over its endpoints, stopped at the end without waiting for what hangs."""
    limits = PoolLimits(slots, connections=2, lease_seconds=90)
    poster = Poster(connections=limits.sockets, connect_seconds=5, guard=_GUARD)
    pool = DeliveryPool(
        priority,
        database=database,
        outbox=Outbox(),
        clock=DatabaseClock(database, time_lapse=False),
        sender=WebhookSender(poster, _CIPHER),
        policy=POLICY,
        limits=limits,
    )
    stopping = asyncio.Event()
    loops = [Loop("claimer", pool.claim, wake=pool.wake), Loop("endpoint-watch", pool.watch_endpoints)]
    running = [asyncio.create_task(loop.run(stopping)) for loop in loops]
    try:
        yield pool
    finally:
        stopping.set()
        await asyncio.gather(*running)
        await pool.drain(0.1)
        await poster.aclose()


def due_message(index: int, priority: Priority, now: datetime, event_type: EventType = EventType.BIRTHDAY) -> str:
    """The message of the due event whose webhook has this index."""
    data = webhook.body(index)["data"]
    due = {
        "eventId": data["eventId"],
        "eventType": event_type,
        "idempotencyKey": data["eventId"],
        "metadata": {
            "userId": data["userId"],
            "attempt": 1,
            "occurrence": data["occurrence"],
            "priority": priority.name,
            "late": False,
            "expiresAt": (now + timedelta(days=3)).isoformat(),
            "targetTimestampUTC": now.isoformat(),
            "targetTimestampLocal": data["targetTimestampLocal"],
            "targetTimezone": data["targetTimezone"],
            "tags": [],
            "contact": {"email": None, "phone": None},
            "deliveryPayload": {"message": data["message"]},
        },
    }
    return json.dumps(due)


def _arrival(index: int, priority: Priority, now: datetime) -> ReceivedEvent:
    body = due_message(index, priority, now)
    return received_event(check_due_event(body), body, TRACEPARENT, None)
