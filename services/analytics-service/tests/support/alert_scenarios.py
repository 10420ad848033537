"""For each rule of alerts, what is seen when it is broken, and when all is well again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.observations import (
    Absence,
    CircuitReading,
    DeliveriesReading,
    DeliveryReading,
    EventsReading,
    Observations,
    QueueReading,
    ServiceReading,
)
from analytics_service.domain.overview import Count, Latency, Overview, Percentiles

SINCE = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")
CRITICAL_QUEUE = QueueReading("bday-events-critical", "CRITICAL")
OTHER_QUEUE = QueueReading("bday-analytics")


def recent(counts: Mapping[Kind, int] | None = None, latencies: Sequence[Latency] = ()) -> Overview:
    """Counts of the last minutes by kind, and these latencies."""
    return Overview(
        SINCE, SINCE, [Count(kind, "BIRTHDAY", 0, count) for kind, count in (counts or {}).items()], latencies
    )


def latency(measure: Measure, priority: int, p95: float, count: int = 100) -> Latency:
    return Latency(measure, priority, Percentiles(count, p95 / 2, p95, p95 * 2))


WELL = Observations(
    services={
        "event-service": ServiceReading(queues=(CRITICAL_QUEUE, OTHER_QUEUE)),
        "delivery-service": ServiceReading(replica_lag_seconds=0.0),
    },
    events=[EventsReading(priority) for priority in PRIORITIES],
    delivery=DeliveryReading(
        deliveries=[DeliveriesReading(priority) for priority in PRIORITIES], attempts=100, attempts_succeeded=100
    ),
    recent=recent({Kind.COMPLETED: 1_000}, [latency(measure, 0, 0.2) for measure in Measure]),
)


def _service(**reading: Any) -> Observations:
    before = WELL.services["event-service"]
    assert isinstance(before, ServiceReading)
    changed = replace(before, **reading)
    return replace(WELL, services={**WELL.services, "event-service": changed})


def _absent(absence: Absence) -> Observations:
    return replace(WELL, services={**WELL.services, "event-service": absence})


def _queue(queue: QueueReading, **reading: Any) -> Observations:
    others = [each for each in (CRITICAL_QUEUE, OTHER_QUEUE) if each.name != queue.name]
    return _service(queues=(replace(queue, **reading), *others))


def _events(priority: str, **reading: Any) -> Observations:
    events = [replace(each, **reading) if each.priority == priority else each for each in WELL.events or ()]
    return replace(WELL, events=events)


def _delivery(**reading: Any) -> Observations:
    assert WELL.delivery is not None
    return replace(WELL, delivery=replace(WELL.delivery, **reading))


def _deliveries(**reading: int) -> Observations:
    return _delivery(deliveries=[DeliveriesReading("LOW", **reading)])


def _recent(counts: Mapping[Kind, int] | None = None, *latencies: Latency) -> Observations:
    return replace(WELL, recent=recent(counts, latencies))


BROKEN: Mapping[str, Observations] = {
    "ServiceDown": _absent(Absence.SILENT),
    "DatabaseDown": _absent(Absence.UNAVAILABLE),
    "BusDown": _service(bus_error="EndpointConnectionError"),
    "CriticalQueueDepthCritical": _queue(CRITICAL_QUEUE, depth=1_001),
    "QueueDepthCritical": _queue(OTHER_QUEUE, depth=10_001),
    "ConsumerStalled": _queue(OTHER_QUEUE, depth=1, oldest_age_seconds=901.0),
    "PublishingFails": _service(outbox_age_seconds=121.0),
    "CriticalEventsOverdue": _events("CRITICAL", overdue=1),
    "FailureRateHigh": _recent({Kind.COMPLETED: 80, Kind.FAILED: 11, Kind.MISSED: 9}),
    "FailureRateElevated": _recent({Kind.COMPLETED: 95, Kind.FAILED: 5}),
    "CriticalLatenessHigh": _recent(None, latency(Measure.END_TO_END, 0, 31.0)),
    "DatabaseConnectionsHigh": _service(connections_used=81),
    "ReplicationLagHigh": _service(replica_lag_seconds=1.5),
    "CriticalQueueBacklog": _queue(CRITICAL_QUEUE, depth=501),
    "CriticalQueueNotEmpty": _queue(CRITICAL_QUEUE, depth=11),
    "QueueBacklog": _queue(OTHER_QUEUE, depth=5_001),
    "QueueMessagesOld": _queue(CRITICAL_QUEUE, depth=1, oldest_age_seconds=301.0),
    "DeadLetterQueueFull": _queue(OTHER_QUEUE, dead=101),
    "EventsOverdue": _events("LOW", overdue=1),
    "ClaimsExpire": _events("HIGH", claims_expired=2),
    "OutcomesMissing": _events("NORMAL", unanswered=3),
    "OutboxSlow": _service(outbox_age_seconds=31.0),
    "WebhookSuccessLow": _delivery(attempts_succeeded=94),
    "WebhookTimeoutsHigh": _delivery(attempts_timed_out=6),
    "WebhookSlow": _recent(None, latency(Measure.WEBHOOK, 2, 10.5)),
    "CircuitOpen": _delivery(circuits=[CircuitReading("0193-endpoint", "the shop", failures_in_row=12)]),
    "EndpointDisabled": _recent({Kind.ENDPOINT_DISABLED: 1}),
    "ConcurrencyExhausted": _deliveries(in_flight=91),
    "DeliveriesAbandoned": _deliveries(abandoned=1),
    "LatenessHigh": _recent(None, latency(Measure.END_TO_END, 1, 10.5)),
    "QueueProcessingSlow": _recent(None, latency(Measure.QUEUE, 3, 5.5)),
    "DeadLettersNew": replace(WELL, announced={"exhausted": 3}),
    "DeadLettersMany": _delivery(dead_letters_open=101),
}
"""What is seen when a rule is broken, by its name."""

TELLTALE: Mapping[str, Callable[[str], bool]] = {
    "CircuitOpen": lambda summary: "the shop" in summary and "12 attempts" in summary,
    "DeadLettersNew": lambda summary: "3 new dead letters: exhausted" in summary,
    "FailureRateHigh": lambda summary: "20%" in summary,
    "QueueBacklog": lambda summary: "5001 messages wait in bday-analytics" in summary,
}
"""What some summaries must say."""
