"""What the alerts of the catalogue measure here, and the rules that come of it.

Names, thresholds and durations are those of :mod:`contracts.alerts`, which Prometheus has too. Settings may replace
thresholds and durations.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import contracts.alerts
from analytics_service.domain.alerts import Reading, Rule
from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.observations import (
    Absence,
    DeliveriesReading,
    DeliveryReading,
    EventsReading,
    Observations,
    QueueReading,
    ServiceReading,
)

WINDOW_MINUTES = 5
"""How far back the counts and percentiles go that rules are about."""
HOLDS = 0.5
"""The threshold of a condition, whose reading is 1 where it holds and 0 where it does not."""
MOST_CRITICAL = "CRITICAL"
OBJECTIVES: Mapping[str, float] = {
    priority.name: seconds for priority, seconds in contracts.alerts.LATENESS_SECONDS.items()
}
_PRIORITIES = tuple(OBJECTIVES)
_UNKNOWN = (Reading(None),)

Measured = Callable[[Observations], Iterable[Reading]]


def _services(value: Callable[[ServiceReading], float | None]) -> Measured:
    def measure(seen: Observations) -> Iterator[Reading]:
        for name, reading in seen.services.items():
            known = None if isinstance(reading, Absence) else value(reading)
            yield Reading(known, {"service": name})

    return measure


def _absent(absence: Absence) -> Measured:
    return lambda seen: [
        Reading(float(reading is absence), {"service": name}) for name, reading in seen.services.items()
    ]


def _queues(value: Callable[[QueueReading], float | None], *, critical: bool | None = None) -> Measured:
    """Of critical queues, of the others, or (None) of all."""

    def measure(seen: Observations) -> Iterator[Reading]:
        for name, reading in seen.services.items():
            if isinstance(reading, Absence):
                yield Reading(None, {"service": name})
                continue
            for queue in reading.queues:
                if critical is None or critical == (queue.priority == MOST_CRITICAL):
                    yield Reading(value(queue), {"service": name, "queue": queue.name})

    return measure


def _depth(queue: QueueReading) -> float | None:
    return queue.depth


def _age(queue: QueueReading) -> float | None:
    return 0.0 if queue.depth == 0 else queue.oldest_age_seconds


def _events(value: Callable[[EventsReading], float], *, critical: bool | None = None) -> Measured:
    def measure(seen: Observations) -> Iterable[Reading]:
        if seen.events is None:
            return _UNKNOWN
        return [
            Reading(value(each), {"priority": each.priority})
            for each in seen.events
            if critical is None or critical == (each.priority == MOST_CRITICAL)
        ]

    return measure


def _deliveries(value: Callable[[DeliveriesReading], float]) -> Measured:
    def measure(seen: Observations) -> Iterable[Reading]:
        if seen.delivery is None:
            return _UNKNOWN
        return [Reading(value(each), {"priority": each.priority}) for each in seen.delivery.deliveries]

    return measure


def _delivery(value: Callable[[DeliveryReading], float]) -> Measured:
    return lambda seen: _UNKNOWN if seen.delivery is None else [Reading(value(seen.delivery))]


def _attempts(value: Callable[[DeliveryReading], float]) -> Measured:
    def measure(seen: Observations) -> Iterable[Reading]:
        if seen.delivery is None:
            return _UNKNOWN
        return (
            [Reading(value(seen.delivery) / seen.delivery.attempts)]
            if seen.delivery.attempts >= contracts.alerts.FEWEST
            else ()
        )

    return measure


def _circuits(seen: Observations) -> Iterable[Reading]:
    if seen.delivery is None:
        return _UNKNOWN
    return [
        Reading(
            1.0,
            {"endpointId": each.endpoint_id},
            {"endpoint": each.description or each.endpoint_id, "failures": str(each.failures_in_row)},
        )
        for each in seen.delivery.circuits
    ]


def _failures(seen: Observations) -> Iterable[Reading]:
    totals = seen.recent.totals
    bad = totals[Kind.FAILED] + totals[Kind.MISSED]
    ended = bad + totals[Kind.COMPLETED]
    return [Reading(bad / ended)] if ended >= contracts.alerts.FEWEST else ()


def _happened(kind: Kind) -> Measured:
    return lambda seen: [Reading(float(seen.recent.totals[kind]))]


def _percentiles(measure: Measure, value: Callable[[str, float], float], *, critical: bool | None = None) -> Measured:
    """Of the p95 of each priority, in seconds."""

    def read(seen: Observations) -> Iterator[Reading]:
        for each in seen.recent.latencies:
            if each.measure is not measure or each.priority is None or each.percentiles.p95 is None:
                continue
            priority = _PRIORITIES[each.priority]
            if each.percentiles.count >= contracts.alerts.FEWEST and critical in (None, priority == MOST_CRITICAL):
                yield Reading(value(priority, each.percentiles.p95), {"priority": priority})

    return read


def _connections(reading: ServiceReading) -> float:
    return reading.connections_used / reading.connections_max


def _announced(seen: Observations) -> Iterable[Reading]:
    return [Reading(float(count), {"reason": reason}) for reason, count in seen.announced.items()]


MEASURES: Mapping[str, Measured] = {
    "ServiceDown": _absent(Absence.SILENT),
    "BusDown": _services(lambda each: float(each.bus_error is not None)),
    "DatabaseDown": _absent(Absence.UNAVAILABLE),
    "DatabaseConnectionsHigh": _services(_connections),
    "ReplicationLagHigh": _services(lambda each: each.replica_lag_seconds or 0.0),
    "CriticalQueueDepthCritical": _queues(_depth, critical=True),
    "QueueDepthCritical": _queues(_depth, critical=False),
    "CriticalQueueBacklog": _queues(_depth, critical=True),
    "CriticalQueueNotEmpty": _queues(_depth, critical=True),
    "QueueBacklog": _queues(_depth, critical=False),
    "QueueMessagesOld": _queues(_age),
    "ConsumerStalled": _queues(_age),
    "QueueProcessingSlow": _percentiles(Measure.QUEUE, lambda _, p95: p95),
    "DeadLetterQueueFull": _queues(lambda each: each.dead),
    "PublishingFails": _services(lambda each: each.outbox_age_seconds),
    "OutboxSlow": _services(lambda each: each.outbox_age_seconds),
    "CriticalEventsOverdue": _events(lambda each: each.overdue, critical=True),
    "EventsOverdue": _events(lambda each: each.overdue, critical=False),
    "ClaimsExpire": _events(lambda each: each.claims_expired),
    "OutcomesMissing": _events(lambda each: each.unanswered),
    "FailureRateHigh": _failures,
    "FailureRateElevated": _failures,
    "CriticalLatenessHigh": _percentiles(Measure.END_TO_END, lambda _, p95: p95, critical=True),
    "LatenessHigh": _percentiles(Measure.END_TO_END, lambda priority, p95: p95 / OBJECTIVES[priority]),
    "WebhookSuccessLow": _attempts(lambda each: each.attempts_succeeded),
    "WebhookTimeoutsHigh": _attempts(lambda each: each.attempts_timed_out),
    "WebhookSlow": _percentiles(Measure.WEBHOOK, lambda _, p95: p95),
    "CircuitOpen": _circuits,
    "EndpointDisabled": _happened(Kind.ENDPOINT_DISABLED),
    "ConcurrencyExhausted": _deliveries(lambda each: each.in_flight / each.concurrency),
    "DeliveriesAbandoned": _deliveries(lambda each: each.abandoned),
    "DeadLettersNew": _announced,
    "DeadLettersMany": _delivery(lambda each: each.dead_letters_open),
}
"""What each alert of the catalogue measures here, by its name."""


def _rule(alert: contracts.alerts.Alert) -> Rule:
    return Rule(
        alert.name,
        alert.severity,
        alert.meaning,
        alert.summary,
        HOLDS if alert.threshold is None else alert.threshold,
        MEASURES[alert.name],
        clears_at=alert.clears_at,
        for_seconds=alert.for_seconds,
        clear_seconds=alert.clear_seconds,
        below=alert.below,
    )


RULES: Sequence[Rule] = tuple(_rule(alert) for alert in contracts.alerts.ALERTS.values() if alert.evaluated)
NAMES = tuple(rule.name for rule in RULES)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What settings say otherwise about a rule; None leaves it as it is."""

    enabled: bool = True
    threshold: float | None = None
    clears_at: float | None = None
    for_seconds: float | None = None
    clear_seconds: float | None = None

    def applied(self, rule: Rule) -> Rule:
        """The rule with its overrides. A new threshold alone also clears at that value."""
        return replace(
            rule,
            threshold=rule.threshold if self.threshold is None else self.threshold,
            clears_at=self.clears_at if self.clears_at is not None or self.threshold is not None else rule.clears_at,
            for_seconds=rule.for_seconds if self.for_seconds is None else self.for_seconds,
            clear_seconds=rule.clear_seconds if self.clear_seconds is None else self.clear_seconds,
        )


def rules_with(changes: Mapping[str, RuleChange]) -> list[Rule]:
    """The rules that are in force."""
    return [
        changes[rule.name].applied(rule) if rule.name in changes else rule
        for rule in RULES
        if rule.name not in changes or changes[rule.name].enabled
    ]
