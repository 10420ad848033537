"""Due events on SNS: one message each, on the topic of its type, with a trace of its own."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from opentelemetry.trace import Span, SpanKind

from chassis.core.zones import zone
from chassis.messaging.bus import Bus
from chassis.messaging.publisher import Outgoing, Publisher
from chassis.telemetry import tracing
from contracts.due import DueEvent, DueMetadata
from contracts.identity import idempotency_key
from contracts.messages.user import Contact
from contracts.send_hours import DueWindow, hours_of
from contracts.send_window import SendWindow
from contracts.topology import Topology
from contracts.vocabulary import EventType, Priority
from event_service.domain.events import Event, Published

DEPTH_SECONDS = 1.0
"""How long a reading of a queue's depth is trusted."""
DEPTH_PAUSE_SECONDS = 0.1
"""The least time between two readings, however full the queue."""


class SnsDueEvents:
    """The port :class:`event_service.application.ports.DueEventBus` over SNS and SQS."""

    def __init__(
        self,
        publisher: Publisher,
        bus: Bus,
        topology: Topology,
        *,
        depth_limit: int,
        windows: Mapping[str, SendWindow] | None = None,
    ) -> None:
        """``windows`` are the send windows of types that have one."""
        self._publisher = publisher
        self._bus = bus
        self._topics = {type: topology.topic(type).name for type in EventType}
        self._queues = {priority: topology.queue(priority).name for priority in Priority}
        self._limit = depth_limit
        self._windows = windows or {}
        self._room = dict.fromkeys(Priority, 0)
        self._read_at = dict.fromkeys(Priority, float("-inf"))

    async def room(self, priority: int) -> int:
        """What the limit leaves, by the last reading less what was published since. Raises what the bus raises."""
        key = Priority(priority)
        age = time.monotonic() - self._read_at[key]
        if age >= DEPTH_SECONDS or (self._room[key] <= 0 and age >= DEPTH_PAUSE_SECONDS):
            depth = await self._bus.depth(self._queues[key])
            self._read_at[key] = time.monotonic()
            self._room[key] = self._limit - depth
        return self._room[key]

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        by_type: dict[str, list[Event]] = {}
        for event in events:
            by_type.setdefault(event.event_type, []).append(event)
        groups = await asyncio.gather(
            *(self._publish(self._topics[EventType(type)], group, now, deadline) for type, group in by_type.items())
        )
        results = {type: iter(group) for type, group in zip(by_type, groups, strict=True)}
        return [next(results[event.event_type]) for event in events]

    async def _publish(self, topic: str, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        fired = [_fire_span(event, now) for event in events]
        spans = [
            tracing.start_publish(topic, parent=root, event_id=str(event.id))
            for root, event in zip(fired, events, strict=True)
        ]
        messages = []
        for event, span in zip(events, spans, strict=True):
            due = to_due_event(event, now, self._windows.get(event.event_type))
            messages.append(Outgoing(due.model_dump_json(), due.attributes(tracing.traceparent_of(span))))
            self._room[Priority(event.priority)] -= 1
        errors = await self._publisher.publish(topic, messages, deadline=deadline)
        for root, span, error in zip(fired, spans, errors, strict=True):
            if error is not None:
                tracing.fail(span, error.reason)
            span.end()
            root.end()
        return [
            Published(
                None if error is None else error.reason, tracing.traceparent_of(span), error is not None and error.maybe
            )
            for span, error in zip(spans, errors, strict=True)
        ]


def to_due_event(event: Event, now: datetime, window: SendWindow | None = None) -> DueEvent:
    """The message (docs/architecture.md#contracts), as of the claim. ``window`` is that of its type."""
    window = None if event.ignores_window else event.user_window or event.window or window
    return DueEvent(
        event_id=event.id,
        event_type=EventType(event.event_type),
        idempotency_key=event.idempotency_key or idempotency_key(event.id),
        metadata=DueMetadata(
            user_id=event.user_id,
            external_id=event.external_id,
            attempt=event.attempt,
            occurrence=event.occurrence,
            priority=Priority(event.priority),
            late=event.is_late(now),
            expires_at=event.expires_at,
            target_timestamp_utc=event.target,
            target_timestamp_local=event.target.astimezone(zone(event.timezone)),
            target_timezone=event.timezone,
            tags=list(event.tags),
            contact=Contact(email=event.email, phone=event.phone),
            delivery_payload=event.payload,
            original_target_timestamp_utc=event.planned,
            send_window=None if window is None else _due_window(window, event.window_timezone or event.timezone),
        ),
    )


@lru_cache(maxsize=4096)
def _due_window(window: SendWindow, timezone: str) -> DueWindow:
    return DueWindow(timezone=timezone, hours=hours_of(window))


def _fire_span(event: Event, now: datetime) -> Span:
    # A new root, linked to the trace that scheduled the event, which may be a year old.
    return tracing.start_span(
        f"fire {event.event_type}",
        SpanKind.INTERNAL,
        root=True,
        links=[event.traceparent],
        attributes={
            "event.id": str(event.id),
            "event.priority": Priority(event.priority).name,
            "event.late": event.is_late(now),
            "event.lateness_seconds": event.lateness(now).total_seconds(),
        },
    )
