"""The figures of the page *Now*."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from analytics_service.console import formats
from analytics_service.console.clients.analytics import Latency, Overview
from analytics_service.console.clients.events import Summary
from analytics_service.console.feeds import Reading
from analytics_service.console.markup import Content, badge
from contracts.vocabulary import Priority

T = TypeVar("T")

LATENESS_TARGETS_SECONDS = MappingProxyType(
    {Priority.CRITICAL: 5.0, Priority.HIGH: 10.0, Priority.NORMAL: 30.0, Priority.LOW: 300.0}
)
"""The 95th percentile that is promised (design §7)."""
OVERALL_TARGET_SECONDS = 30.0
FAILURES_TARGET = 0.01

Shown = tuple[str, str | None, str]
"""A tile's value, its note and its tone."""


@dataclass(frozen=True)
class Headline:
    delivered: Shown
    waiting: Shown
    in_flight: Shown
    success: Shown


def headline(overview: Reading[Overview], summary: Reading[Summary]) -> Headline:
    """The tiles at the top."""
    return Headline(
        delivered=_of(overview, _delivered),
        waiting=_of(summary, lambda value: (formats.count(value.pending), "events to come", "plain")),
        in_flight=_of(summary, lambda value: (formats.count(value.processing), "claimed, not yet ended", "plain")),
        success=_of(overview, _success),
    )


def lateness(overview: Overview | None) -> Sequence[Sequence[Content]]:
    """Rows by priority, and one of all: events, p50, p95, p99, the target and whether it is kept."""
    if overview is None:
        return ()
    found = {each.priority: each for each in overview.latencies if each.measure == "end_to_end"}
    targets: list[tuple[Priority | None, float]] = [*LATENESS_TARGETS_SECONDS.items(), (None, OVERALL_TARGET_SECONDS)]
    return [_lateness_row(priority, target, found.get(priority)) for priority, target in targets]


def _lateness_row(priority: Priority | None, target: float, latency: Latency | None) -> Sequence[Content]:
    name = "All" if priority is None else formats.word(priority.name)
    if latency is None or latency.count == 0 or latency.p95 is None:
        return [name, "0", formats.NONE, formats.NONE, formats.NONE, f"p95 < {formats.duration(target)}"]
    kept = latency.p95 < target
    p95 = badge(formats.duration(latency.p95), "good" if kept else "bad")
    told = f"p95 < {formats.duration(target)}" if kept else f"missed: p95 < {formats.duration(target)}"
    return [
        name,
        formats.count(latency.count),
        formats.duration(latency.p50),
        p95,
        formats.duration(latency.p99),
        told,
    ]


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
    return formats.share(overview.success_rate), f"failures {formats.share(failures)}, target < 1 %", tone


def _of(reading: Reading[T], show: Callable[[T], Shown]) -> Shown:
    """What ``show`` makes of the newest value; how old it is where there should be a newer one."""
    if reading.value is None:
        return (formats.NONE, reading.error, "watch") if reading.error else ("…", None, "plain")
    value, note, tone = show(reading.value)
    if reading.error is not None:
        return value, f"{formats.duration(reading.age_seconds())} old: {reading.error}", "watch"
    return value, note, tone
