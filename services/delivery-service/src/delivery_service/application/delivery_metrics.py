"""Metrics of deliveries, recorded once per batch after its webhooks were sent."""

from collections import Counter
from collections.abc import Sequence

from opentelemetry import metrics

from contracts.vocabulary import EventType, Priority
from delivery_service.application.outcomes import Announced
from delivery_service.application.recording import RecordedBatch
from delivery_service.domain.deliveries import ReceivedEvent, Result

_meter = metrics.get_meter("almanac.delivery")
_deliveries = _meter.create_counter("almanac_deliveries", description="Deliveries that ended, by priority and outcome")
_events = _meter.create_counter(
    "almanac_delivery_outcomes", description="Events that ended, by priority, type and outcome"
)
_attempts = _meter.create_counter("almanac_delivery_attempts", description="Attempts, by priority and class")
_duration = _meter.create_histogram("almanac_webhook_duration", unit="s", description="Time that an attempt took")
_queue = _meter.create_histogram(
    "almanac_queue_latency", unit="s", description="Time from a due event's publication to its receipt"
)
_lateness = _meter.create_histogram(
    "almanac_delivery_lateness",
    unit="s",
    description="Time from an event's target to the end of its last delivery, without retries and redrives",
)
_held = _meter.create_up_down_counter(
    "almanac_deliveries_in_hand", description="Deliveries that workers hold, by priority"
)
_slots = _meter.create_up_down_counter("almanac_delivery_slots", description="Attempts at a time, by priority")
_slow_slots = _meter.create_up_down_counter(
    "almanac_delivery_slow_slots", description="Attempts at a time at endpoints that do not answer soon, by priority"
)
_slow = _meter.create_up_down_counter("almanac_delivery_slow_slots_used", description="Slow slots in use, by priority")
_abandoned = _meter.create_counter(
    "almanac_delivery_leases_expired", description="Deliveries claimed again after a lease ended without a result"
)
_abandoned_again = _meter.create_counter(
    "almanac_delivery_leases_expired_again",
    description="Deliveries claimed after two leases in a row ended without a recorded attempt",
)
_fenced = _meter.create_counter(
    "almanac_delivery_results_fenced", description="Results that came after their lease had passed to another worker"
)

_LABELS = {priority: {"priority": priority.name} for priority in Priority}


def begin(priority: Priority, *, slots: int, slow_slots: int) -> None:
    """What rates and shares are taken of is there from the start: a series that began with its first count would not
    look increased by it."""
    labels = _LABELS[priority]
    _held.add(0, labels)
    _slots.add(slots, labels)
    _slow_slots.add(slow_slots, labels)
    _slow.add(0, labels)
    for outcome in ("succeeded", "exhausted", "expired"):
        _deliveries.add(0, {**labels, "outcome": outcome})
        for event_type in EventType:
            _events.add(0, {**labels, "type": event_type.name, "outcome": outcome})
    for name in ("2xx", "5xx", "timeout", "connect_timeout", "internal_error"):
        _attempts.add(0, {**labels, "class": name})
    for counter in (_abandoned, _abandoned_again, _fenced):
        counter.add(0, labels)


def ingested(priority: Priority, arrivals: Sequence[ReceivedEvent], unwanted: Sequence[Announced]) -> None:
    for each in arrivals:
        if each.queue_seconds is not None:
            _queue.record(each.queue_seconds, _LABELS[priority])
    _count_outcomes(unwanted)


def held(priority: Priority, change: int) -> None:
    _held.add(change, _LABELS[priority])


def slow_slots_used(priority: Priority, change: int) -> None:
    """Count slow slots that were taken, or given back where ``change`` is negative."""
    _slow.add(change, _LABELS[priority])


def claimed_again(priority: Priority, count: int) -> None:
    _abandoned.add(count, _LABELS[priority])


def claimed_after_two_leases(priority: Priority, count: int) -> None:
    _abandoned_again.add(count, _LABELS[priority])


def recorded(priority: Priority, results: Sequence[Result], batch: RecordedBatch) -> None:
    labels = _LABELS[priority]
    classes: Counter[str] = Counter()
    for each in results:
        if each.attempt is not None:
            _duration.record(each.attempt.duration_seconds, labels)
            classes[each.attempt.fault or f"{(each.attempt.http_status or 0) // 100}xx"] += 1
    for name, count in classes.items():
        _attempts.add(count, {**labels, "class": name})
    ended = Counter(each.reason or "succeeded" for each in batch.recorded if each.status != "PENDING")
    for outcome, count in ended.items():
        _deliveries.add(count, {**labels, "outcome": outcome})
    if lost := len(results) - len(batch.recorded):
        _fenced.add(lost, labels)
    _count_outcomes(batch.outcomes)


def _count_outcomes(outcomes: Sequence[Announced]) -> None:
    for item, again in outcomes:
        # What people had tried again hours later says nothing about punctuality.
        if not again:
            _lateness.record(item.lateness_seconds, _LABELS[item.priority])
    ended = Counter((item.priority, item.event_type, item.reason or "succeeded") for item, _ in outcomes)
    for (priority, event_type, outcome), count in ended.items():
        _events.add(count, {**_LABELS[priority], "type": event_type.name, "outcome": outcome})
