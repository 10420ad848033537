"""Publishes items from an outbox and processes them, exporting its spans.

Prints the traces that it began, and when each call to the bus began and ended.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from uuid_utils.compat import uuid7

from chassis.core.lifecycle import run_roles
from chassis.core.settings import ServiceSettings
from chassis.messaging import provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import QueueConsumer, Rejection
from chassis.messaging.domain import ReceivedItem, domain_handler
from chassis.messaging.outbox import Relay
from chassis.messaging.publisher import NotAccepted, Outgoing, Publisher
from chassis.service.runtime import open_runtime
from chassis.telemetry import tracing
from contracts import Bus as Carrier
from contracts import EventCancelledItem, EventType, MessageType, Priority, Topology, build_topology

WHOLE = build_topology()
TOPOLOGY: Topology = replace(
    WHOLE,
    topics=(WHOLE.topic(Carrier.DOMAIN),),
    queues=(WHOLE.queue("analytics"),),
    subscriptions=tuple(each for each in WHOLE.subscriptions if each.queue is WHOLE.queue("analytics")),
)
QUEUE = TOPOLOGY.queue("analytics")


def _cancelled(event_id: UUID) -> EventCancelledItem:
    now = datetime.now(UTC)
    return EventCancelledItem(
        item_id=uuid7(),
        event_id=event_id,
        user_id=uuid4(),
        event_type=EventType.BIRTHDAY,
        priority=Priority.CRITICAL,
        occurrence="2026",
        attempt=1,
        target_timestamp_utc=now,
        target_timezone="UTC",
        occurred_at=now,
        reason="user_deleted",
    )


class TimedPublisher(Publisher):
    """Prints `call <begin> <end>` of each call, in ns since the epoch."""

    async def publish(
        self, topic: str, messages: Sequence[Outgoing], *, deadline: float | None = None
    ) -> list[NotAccepted | None]:
        begun = time.time_ns()
        accepted = await super().publish(topic, messages, deadline=deadline)
        sys.stdout.write(f"call {begun} {time.time_ns()}\n")
        return accepted


async def main() -> None:
    """One item alone in its message, then three packed into one."""
    settings = ServiceSettings()
    stopping = asyncio.Event()
    applied: list[ReceivedItem] = []

    async def apply(items: Sequence[ReceivedItem]) -> None:
        applied.extend(items)
        if len(applied) == 4:
            stopping.set()

    async def reject(rejections: Sequence[Rejection]) -> None:
        raise RuntimeError(f"rejected: {rejections}")

    async with open_runtime(settings, name="traced") as runtime, Bus(settings, TOPOLOGY) as bus:
        await provisioning.apply(bus)
        relay = Relay(runtime.database, TimedPublisher(bus), WHOLE, runtime.clock, poll_seconds=1)
        for count in (1, 3):
            for _ in range(count):
                event_id = uuid4()
                with tracing.span("request", SpanKind.SERVER) as request:
                    async with runtime.database.transaction() as tx:
                        await runtime.outbox.append(tx, [(MessageType.EVENT_CANCELLED, _cancelled(event_id))])
                sys.stdout.write(f"{event_id} {tracing.traceparent_of(request)}\n")
            await relay.step()
        handler = domain_handler(QUEUE.name, apply)
        consumer = QueueConsumer(bus, QUEUE, handler, reject=reject, gate=runtime.database.wait_available)
        await run_roles([consumer], grace_seconds=10, stopping=stopping)


if __name__ == "__main__":
    provider = tracing.start_tracing(
        Resource.create({"service.name": "traced"}), endpoint=ServiceSettings().otel_exporter_otlp_endpoint, ratio=1.0
    )
    asyncio.run(main())
    provider.shutdown()
