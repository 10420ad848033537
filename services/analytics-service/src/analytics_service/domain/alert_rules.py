"""The rules of every alert, as data. Thresholds and times are defaults, which settings may replace."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analytics_service.domain.alerts import Reading, Rule, Severity
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
FEWEST = 20
"""Below so many events or attempts in that time, a share or a percentile says nothing."""
MOST_CRITICAL = "CRITICAL"
OBJECTIVES: Mapping[str, float] = {"CRITICAL": 5.0, "HIGH": 10.0, "NORMAL": 30.0, "LOW": 300.0}
"""The objective for the p95 of lateness, in seconds, by priority (docs/architecture.md#traces-metrics-logs)."""
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
        return [Reading(value(seen.delivery) / seen.delivery.attempts)] if seen.delivery.attempts >= FEWEST else ()

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
    return [Reading(bad / ended)] if ended >= FEWEST else ()


def _happened(kind: Kind) -> Measured:
    return lambda seen: [Reading(float(seen.recent.totals[kind]))]


def _percentiles(measure: Measure, value: Callable[[str, float], float], *, critical: bool | None = None) -> Measured:
    """Of the p95 of each priority, in seconds."""

    def read(seen: Observations) -> Iterator[Reading]:
        for each in seen.recent.latencies:
            if each.measure is not measure or each.priority is None or each.percentiles.p95 is None:
                continue
            priority = _PRIORITIES[each.priority]
            if each.percentiles.count >= FEWEST and critical in (None, priority == MOST_CRITICAL):
                yield Reading(value(priority, each.percentiles.p95), {"priority": priority})

    return read


def _connections(reading: ServiceReading) -> float:
    return reading.connections_used / reading.connections_max


def _announced(seen: Observations) -> Iterable[Reading]:
    return [Reading(float(count), {"reason": reason}) for reason, count in seen.announced.items()]


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

RULES: Sequence[Rule] = (
    Rule(
        "ServiceDown", _CRITICAL, "A service does not answer.",
        "{service} does not answer", 0.5, _absent(Absence.SILENT), for_seconds=20, clear_seconds=20,
    ),
    Rule(
        "DatabaseDown", _CRITICAL, "A service answers that its database does not.",
        "{service} has no database", 0.5, _absent(Absence.UNAVAILABLE), for_seconds=20, clear_seconds=20,
    ),
    Rule(
        "BusDown", _CRITICAL, "SNS and SQS do not answer a service.",
        "{service} cannot reach the bus", 0.5, _services(lambda each: float(each.bus_error is not None)),
        for_seconds=30, clear_seconds=30,
    ),
    Rule(
        "CriticalQueueDepthCritical", _CRITICAL, "Messages that wait in the critical queue.",
        "{value:.0f} messages wait in {queue}", 1_000, _queues(_depth, critical=True), clears_at=500, for_seconds=30,
    ),
    Rule(
        "QueueDepthCritical", _CRITICAL, "Messages that wait in another queue.",
        "{value:.0f} messages wait in {queue}", 10_000, _queues(_depth, critical=False), clears_at=5_000,
        for_seconds=30,
    ),
    Rule(
        "ConsumerStalled", _CRITICAL, "Seconds for which nobody has taken what waits in a queue.",
        "nobody has taken from {queue} for {value:.0f} s", 900, _queues(_age), clears_at=300, for_seconds=30,
    ),
    Rule(
        "PublishingFails", _CRITICAL, "Seconds for which a service's messages have waited to be sent.",
        "{service} has not sent what was written {value:.0f} s ago", 120,
        _services(lambda each: each.outbox_age_seconds), clears_at=30, for_seconds=30,
    ),
    Rule(
        "CriticalEventsOverdue", _CRITICAL, "Critical events that have been due for a minute or longer.",
        "{value:.0f} critical events are overdue", 0, _events(lambda each: each.overdue, critical=True),
        for_seconds=120,
    ),
    Rule(
        "FailureRateHigh", _CRITICAL, "Share of the events that ended and were not delivered.",
        "{value:.0%} of the events of the last minutes were not delivered", 0.10, _failures, clears_at=0.05,
        for_seconds=300,
    ),
    Rule(
        "CriticalLatenessHigh", _CRITICAL, "Lateness (p95, seconds) of critical events that were delivered.",
        "critical events arrive {value:.0f} s late (p95)", 30,
        _percentiles(Measure.END_TO_END, lambda _, p95: p95, critical=True), clears_at=15, for_seconds=60,
    ),
    Rule(
        "DatabaseConnectionsHigh", _WARNING, "Share of a database server's connections that is taken.",
        "{value:.0%} of the connections of {service}'s database are taken", 0.8, _services(_connections),
        clears_at=0.7, for_seconds=300,
    ),
    Rule(
        "ReplicationLagHigh", _WARNING, "Age, in seconds, of what a read replica shows.",
        "the replica of {service} shows what is {value:.1f} s old", 1,
        _services(lambda each: each.replica_lag_seconds or 0.0), clears_at=0.5, for_seconds=300,
    ),
    Rule(
        "CriticalQueueBacklog", _WARNING, "Messages that wait in the critical queue.",
        "{value:.0f} messages wait in {queue}", 500, _queues(_depth, critical=True), clears_at=100, for_seconds=30,
    ),
    Rule(
        "CriticalQueueNotEmpty", _WARNING, "Messages that wait in the critical queue, for longer than a burst.",
        "{queue} has not been near empty for minutes: {value:.0f} wait", 10, _queues(_depth, critical=True),
        clears_at=5, for_seconds=300,
    ),
    Rule(
        "QueueBacklog", _WARNING, "Messages that wait in another queue.",
        "{value:.0f} messages wait in {queue}", 5_000, _queues(_depth, critical=False), clears_at=2_500,
        for_seconds=30,
    ),
    Rule(
        "QueueMessagesOld", _WARNING, "Seconds that the oldest message of a queue has waited.",
        "a message has waited {value:.0f} s in {queue}", 300, _queues(_age), clears_at=60, for_seconds=30,
    ),
    Rule(
        "DeadLetterQueueFull", _WARNING, "Messages in a queue's dead-letter queue.",
        "{value:.0f} messages are in the dead-letter queue of {queue}", 100, _queues(lambda each: each.dead),
        clears_at=50, for_seconds=60,
    ),
    Rule(
        "EventsOverdue", _WARNING, "Events of a priority that have been due for a minute or longer.",
        "{value:.0f} {priority} events are overdue", 0, _events(lambda each: each.overdue, critical=False),
        for_seconds=300,
    ),
    Rule(
        "ClaimsExpire", _WARNING, "Events that a scheduler claimed and did not publish in time.",
        "{value:.0f} {priority} events were claimed and not published", 0, _events(lambda each: each.claims_expired),
        for_seconds=30,
    ),
    Rule(
        "OutcomesMissing", _WARNING, "Published events whose outcome is so late that they are published again.",
        "the outcomes of {value:.0f} {priority} events never came", 0, _events(lambda each: each.unanswered),
        for_seconds=120,
    ),
    Rule(
        "OutboxSlow", _WARNING, "Seconds for which a service's messages have waited to be sent.",
        "{service} sends its messages {value:.0f} s late", 30, _services(lambda each: each.outbox_age_seconds),
        clears_at=10, for_seconds=60,
    ),
    Rule(
        "WebhookSuccessLow", _WARNING, "Share of the attempts of the last minutes that succeeded.",
        "only {value:.0%} of attempts succeed", 0.95, _attempts(lambda each: each.attempts_succeeded),
        clears_at=0.97, for_seconds=30, below=True,
    ),
    Rule(
        "WebhookTimeoutsHigh", _WARNING, "Share of the attempts of the last minutes that timed out.",
        "{value:.0%} of attempts time out", 0.05, _attempts(lambda each: each.attempts_timed_out), clears_at=0.03,
        for_seconds=60,
    ),
    Rule(
        "WebhookSlow", _WARNING, "Seconds that an attempt takes (p95), by priority.",
        "{priority} webhooks take {value:.0f} s (p95)", 10, _percentiles(Measure.WEBHOOK, lambda _, p95: p95),
        clears_at=5, for_seconds=120,
    ),
    Rule(
        "CircuitOpen", _WARNING, "An endpoint failed so often that it is left alone for a while.",
        "{endpoint} is left alone: {failures} attempts in a row have failed", 0.5, _circuits, clear_seconds=15,
    ),
    Rule(
        "EndpointDisabled", _WARNING, "Endpoints that were switched off for failing, in the last minutes.",
        "{value:.0f} endpoints were switched off", 0, _happened(Kind.ENDPOINT_DISABLED),
    ),
    Rule(
        "ConcurrencyExhausted", _WARNING, "Share of the deliveries that the fleet may have in hand.",
        "{priority} deliveries take {value:.0%} of what the fleet may have in hand", 0.9,
        _deliveries(lambda each: each.in_flight / each.concurrency), clears_at=0.7, for_seconds=300,
    ),
    Rule(
        "DeliveriesAbandoned", _WARNING, "Deliveries whose worker has died and that nobody else takes.",
        "nobody takes {value:.0f} {priority} deliveries of workers that have died", 0,
        _deliveries(lambda each: each.abandoned), for_seconds=60,
    ),
    Rule(
        "LatenessHigh", _WARNING, "Lateness (p95) of delivered events, in times the objective of their priority.",
        "{priority} events are {value:.1f} times as late (p95) as they may be", 1,
        _percentiles(Measure.END_TO_END, lambda priority, p95: p95 / OBJECTIVES[priority]), clears_at=0.8,
        for_seconds=120,
    ),
    Rule(
        "QueueProcessingSlow", _WARNING, "Seconds that due messages wait in their queue (p95).",
        "{priority} messages wait {value:.0f} s in their queue (p95)", 5,
        _percentiles(Measure.QUEUE, lambda _, p95: p95), clears_at=3, for_seconds=120,
    ),
    Rule(
        "DeadLettersNew", _WARNING, "Dead letters announced in the last minutes, by their reason.",
        "{value:.0f} new dead letters: {reason}", 0, _announced, clear_seconds=30,
    ),
    Rule(
        "DeadLettersMany", _WARNING, "Dead letters that wait for somebody.",
        "{value:.0f} dead letters are open", 100, _delivery(lambda each: each.dead_letters_open), clears_at=50,
        for_seconds=60,
    ),
)  # fmt: skip
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
        """The rule as it then is. A new threshold alone also clears at that value."""
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
