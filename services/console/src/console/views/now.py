"""The figures of the page *Now*."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from console import formats
from console.data_sources import Reading
from console.markup import Content, badge, joined, tag
from contracts.http.alerts import Alert
from contracts.http.analytics import Latency, Overview
from contracts.http.model import ListPage
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, QueueStatus, ServiceStatus
from contracts.vocabulary import Priority

T = TypeVar("T")

LATENESS_TARGETS_SECONDS = MappingProxyType(
    {Priority.CRITICAL: 5.0, Priority.HIGH: 10.0, Priority.NORMAL: 30.0, Priority.LOW: 300.0}
)
"""The 95th percentile that is promised (docs/architecture.md#traces-metrics-logs)."""
OVERALL_TARGET_SECONDS = 30.0
FAILURES_TARGET = 0.01
CROWDED = 0.8
"""The share from which a value needs attention."""

_CIRCUIT_RULE = "CircuitOpen"
"""Its endpoints are named from the status, which is sooner."""

Shown = tuple[str, str | None, str]
"""A tile's value, its note and its tone."""


@dataclass(frozen=True)
class Headline:
    """The tiles at the top."""

    due: Shown
    in_flight: Shown
    delivered: Shown
    success: Shown
    dead_letters: Shown
    circuits: Shown
    connections: Shown
    concurrency: Shown


def headline(
    events: Reading[EventServiceStatus],
    deliveries: Reading[DeliveryServiceStatus],
    overview: Reading[Overview],
    others: Sequence[Reading[ServiceStatus]],
) -> Headline:
    """What is worth knowing in ten seconds. A missing value is marked in its own place."""
    told: list[ServiceStatus | None] = [*(each.value for each in others), events.value, deliveries.value]
    databases = [each for each in told if each is not None]
    return Headline(
        due=_of(events, _due),
        in_flight=_of(events, _in_flight),
        delivered=_of(overview, _delivered),
        success=_of(overview, _success),
        dead_letters=_of(deliveries, _dead_letters),
        circuits=_of(deliveries, _circuits),
        connections=_connections(databases),
        concurrency=_of(deliveries, _concurrency),
    )


def lateness(overview: Overview | None) -> Sequence[Sequence[Content]]:
    """Rows by priority, and one of all: events, p50, p95, p99, the target and whether it is kept."""
    if overview is None:
        return ()
    found = {each.priority: each for each in overview.latencies if each.measure == "end_to_end"}
    targets: list[tuple[Priority | None, float]] = [*LATENESS_TARGETS_SECONDS.items(), (None, OVERALL_TARGET_SECONDS)]
    return [_lateness_row(priority, target, found.get(priority)) for priority, target in targets]


def queues(statuses: Iterable[ServiceStatus | None]) -> Sequence[Sequence[Content]]:
    """Rows of all queues, those of due events first: depth, age of the oldest, in flight, dead."""
    found = [queue for status in statuses if status is not None for queue in status.queues]
    return [_queue_row(queue) for queue in sorted(found, key=lambda each: (each.priority is None, each.priority or 0))]


def due_by_priority(
    events: EventServiceStatus | None, deliveries: DeliveryServiceStatus | None
) -> Sequence[Sequence[Content]]:
    """Rows by priority: due, the oldest of them, claimed, on their way, deliveries in flight and waiting to retry."""
    if events is None:
        return ()
    sent = {each.priority: each for each in deliveries.deliveries} if deliveries is not None else {}
    rows: list[Sequence[Content]] = []
    for each in events.events:
        own = sent.get(each.priority)
        target = LATENESS_TARGETS_SECONDS[each.priority]
        age = each.oldest_due_age_seconds
        oldest = formats.duration(age) if age is None or age < target else badge(formats.duration(age), "bad")
        rows.append(
            [
                formats.word(each.priority.name),
                formats.count(each.due),
                oldest,
                formats.count(each.claimed),
                formats.count(each.published),
                formats.NONE if own is None else formats.count(own.in_flight),
                formats.NONE if own is None else formats.count(own.waiting),
            ]
        )
    return rows


def alerts_firing(alerts: ListPage[Alert] | None) -> Sequence[Alert]:
    """Those that fire, the critical ones first."""
    firing = () if alerts is None else tuple(each for each in alerts.items if each.fires)
    return sorted(firing, key=lambda each: each.severity != "critical")


def problems(
    deliveries: DeliveryServiceStatus | None, statuses: Iterable[ServiceStatus | None], alerts: ListPage[Alert] | None
) -> Sequence[Sequence[Content]]:
    """Rows of what is out of order: circuits that are open, a bus that does not answer, and what else alerts say."""
    rows: list[Sequence[Content]] = []
    if deliveries is not None:
        for circuit in deliveries.endpoints.circuits:
            name = circuit.description or str(circuit.endpoint_id)
            rows.append(
                [
                    tag("a", name, href=f"/endpoints/{circuit.endpoint_id}"),
                    badge("circuit half open" if circuit.state == "HALF_OPEN" else "circuit open", "bad"),
                    f"{formats.count(circuit.failures_in_row)} failures in a row, since "
                    f"{formats.moment(circuit.failing_since)}",
                ]
            )
    errors = dict.fromkeys(each.bus_error for each in statuses if each is not None and each.bus_error)
    rows.extend(["SNS and SQS", badge("no answer", "bad"), error] for error in errors)
    rows.extend(_alert_row(each) for each in alerts_firing(alerts) if each.rule != _CIRCUIT_RULE)
    return rows


def _alert_row(alert: Alert) -> Sequence[Content]:
    since = f"since {formats.moment(alert.since)}"
    if alert.acknowledged_by:
        since += f"; acknowledged by {alert.acknowledged_by}"
    tone = "bad" if alert.severity == "critical" else "watch"
    return [tag("a", alert.summary, href="/alerts"), badge(formats.word(alert.severity), tone), since]


def _due(status: EventServiceStatus) -> Shown:
    due, overdue = sum(each.due for each in status.events), sum(each.overdue for each in status.events)
    waiting = ("about " if status.pending_estimated else "") + formats.count(status.pending)
    late = any((each.oldest_due_age_seconds or 0) > LATENESS_TARGETS_SECONDS[each.priority] for each in status.events)
    if overdue or late:
        return formats.count(due), f"{formats.count(overdue)} for over a minute", "bad" if late else "watch"
    return formats.count(due), f"{waiting} scheduled", "plain"


def _in_flight(status: EventServiceStatus) -> Shown:
    claimed, published = sum(each.claimed for each in status.events), sum(each.published for each in status.events)
    return formats.count(claimed + published), f"{formats.count(published)} with receivers", "plain"


def _delivered(overview: Overview) -> Shown:
    seconds = (overview.until - overview.since).total_seconds()
    completed = overview.totals.get("completed", 0)
    per_second = completed / seconds if seconds > 0 else None
    return formats.rate(per_second), f"per second, {formats.count(completed)} in {formats.duration(seconds)}", "plain"


def _success(overview: Overview) -> Shown:
    if overview.success_rate is None:
        return formats.NONE, "nothing ended lately", "plain"
    failures = 1 - overview.success_rate
    tone = "good" if failures < FAILURES_TARGET else "bad"
    return formats.share(overview.success_rate), f"errors {formats.share(failures)}, target < 1 %", tone


def _dead_letters(status: DeliveryServiceStatus) -> Shown:
    letters = status.dead_letters
    tone = "bad" if letters.new_in_last_hour else "watch" if letters.open else "good"
    return formats.count(letters.open), f"{formats.count(letters.new_in_last_hour)} new in an hour", tone


def _circuits(status: DeliveryServiceStatus) -> Shown:
    health = status.endpoints
    broken = health.open + health.half_open
    note = f"of {formats.of_many(health.enabled, 'endpoint')}"
    if health.disabled:
        note += f", {formats.count(health.disabled)} disabled"
    return formats.count(broken), note, "bad" if broken else "good"


def _connections(statuses: Sequence[ServiceStatus]) -> Shown:
    servers = [each.database for each in statuses if each.database.connections_max]
    if not servers:
        return "…", None, "plain"
    fullest = max(servers, key=lambda each: each.connections_used / each.connections_max)
    part = fullest.connections_used / fullest.connections_max
    note = f"of {formats.count(fullest.connections_max)}, {part:.0%}".replace("%", " %")
    lags = [each.replica_lag_seconds for each in servers if each.replica_lag_seconds is not None]
    if lags:
        note += f"; replica {formats.duration(max(lags))} behind"
    return formats.count(fullest.connections_used), note, "watch" if part > CROWDED else "plain"


def _concurrency(status: DeliveryServiceStatus) -> Shown:
    used = sum(each.in_flight for each in status.deliveries)
    allowed = sum(each.concurrency for each in status.deliveries)
    full = [each for each in status.deliveries if each.concurrency and each.in_flight / each.concurrency > CROWDED]
    note = f"of {formats.count(allowed)} webhooks at once"
    if full:
        names = ", ".join(each.priority.name.lower() for each in full)
        return formats.count(used), f"{note}; {names} nearly full", "watch"
    return formats.count(used), note, "plain"


def _lateness_row(priority: Priority | None, target: float, latency: Latency | None) -> Sequence[Content]:
    name = "All" if priority is None else formats.word(priority.name)
    if latency is None or latency.count == 0 or latency.p95 is None:
        return [name, "0", formats.NONE, formats.NONE, formats.NONE, f"< {formats.duration(target)}"]
    kept = latency.p95 < target
    return [
        name,
        formats.count(latency.count),
        formats.duration(latency.p50),
        badge(formats.duration(latency.p95), "good" if kept else "bad"),
        formats.duration(latency.p99),
        f"< {formats.duration(target)}" + ("" if kept else " missed"),
    ]


def _queue_row(queue: QueueStatus) -> Sequence[Content]:
    depth: Content = formats.count(queue.depth)
    if queue.depth is not None and queue.depth >= queue.warn_depth:
        depth = badge(formats.count(queue.depth), "bad" if queue.depth >= queue.page_depth else "watch")
    dead: Content = badge(formats.count(queue.dead), "bad") if queue.dead else formats.count(queue.dead)
    used = min(1.0, (queue.in_flight or 0) / queue.concurrency) if queue.concurrency else 0.0
    meter = tag("span", tag("span", style=f"width:{used:.0%}"), class_="meter", aria_hidden="true")
    return [
        queue.name,
        depth,
        formats.duration(queue.oldest_age_seconds),
        joined(f"{formats.count(queue.in_flight)} of {formats.count(queue.concurrency)}", meter),
        dead,
    ]


def _of(reading: Reading[T], show: Callable[[T], Shown]) -> Shown:
    """What ``show`` makes of the newest value; how old it is where there should be a newer one."""
    if reading.value is None:
        return (formats.NONE, reading.error, "watch") if reading.error else ("…", None, "plain")
    value, note, tone = show(reading.value)
    if reading.error is not None:
        return value, f"{formats.duration(reading.age_seconds())} old: {reading.error}", "watch"
    return value, note, tone
