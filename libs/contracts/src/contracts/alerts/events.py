"""Alerts about events: due and not claimed, late, failed."""

from typing import Final

from contracts.alerts.alert import FEWEST, MINUTE, Alert, Severity

_ENOUGH: Final = f"and on () sum(increase(almanac_delivery_outcomes_total{{$own}}[5m])) >= {FEWEST}"

EVENTS: Final = (
    Alert(
        name="CriticalEventsOverdue",
        severity=Severity.CRITICAL,
        meaning="Critical events that are due for a minute or longer and not claimed.",
        summary="{value:.0f} critical events are overdue",
        threshold=0,
        for_seconds=2 * MINUTE,
        promql='max by (priority) (almanac_events_overdue{$own, priority="CRITICAL"}) > $threshold',
        evaluated=True,
    ),
    Alert(
        name="EventsOverdue",
        severity=Severity.WARNING,
        meaning="Other events that are due for a minute or longer and not claimed.",
        summary="{value:.0f} {priority} events are overdue",
        threshold=0,
        for_seconds=5 * MINUTE,
        promql='max by (priority) (almanac_events_overdue{$own, priority!="CRITICAL"}) > $threshold',
        evaluated=True,
    ),
    Alert(
        name="ClaimSlow",
        severity=Severity.WARNING,
        meaning="Seconds that a claim of due events takes (p95).",
        summary="A claim takes {value:.1f} s (p95)",
        threshold=5,
        for_seconds=5 * MINUTE,
        promql="histogram_quantile(0.95, sum by (le) (rate(almanac_claim_duration_seconds_bucket{$own}[5m])))"
        " > $threshold",
    ),
    Alert(
        name="ClaimsExpire",
        severity=Severity.WARNING,
        meaning="Events that a scheduler claimed and did not publish in time.",
        summary="{value:.0f} {priority} events were claimed and not published",
        threshold=0,
        for_seconds=30,
        evaluated=True,
    ),
    Alert(
        name="OutcomesMissing",
        severity=Severity.WARNING,
        meaning="Published events whose outcome is so late that they are published again.",
        summary="The outcomes of {value:.0f} {priority} events are missing",
        threshold=0,
        for_seconds=2 * MINUTE,
        evaluated=True,
    ),
    Alert(
        name="FailureRateHigh",
        severity=Severity.CRITICAL,
        meaning="Share of the events of the last five minutes that failed.",
        summary="{value:.0%} of the events of the last minutes were not delivered",
        threshold=0.10,
        for_seconds=5 * MINUTE,
        promql=f"almanac:events_failed:ratio_rate5m{{$own}} > $threshold\n{_ENOUGH}",
        evaluated=True,
        clears_at=0.05,
    ),
    Alert(
        name="FailureRateElevated",
        severity=Severity.WARNING,
        meaning="Share of the events of the last five minutes that failed, below what pages.",
        summary="{value:.0%} of the events of the last minutes were not delivered",
        threshold=0.03,
        for_seconds=15 * MINUTE,
        promql=f"almanac:events_failed:ratio_rate5m{{$own}} > $threshold\n{_ENOUGH}",
        evaluated=True,
        clears_at=0.01,
    ),
    Alert(
        name="CriticalLatenessHigh",
        severity=Severity.CRITICAL,
        meaning="Lateness of delivered critical events, in seconds (p95).",
        summary="Critical events arrive {value:.0f} s late (p95)",
        threshold=30,
        for_seconds=MINUTE,
        evaluated=True,
        clears_at=15,
    ),
    Alert(
        name="LatenessHigh",
        severity=Severity.WARNING,
        meaning="Lateness of delivered events (p95), as a multiple of their priority's objective.",
        summary="{priority} events arrive {value:.1f} times as late (p95) as their objective allows",
        threshold=1,
        for_seconds=2 * MINUTE,
        evaluated=True,
        clears_at=0.8,
    ),
    Alert(
        name="ZoneDropped",
        severity=Severity.WARNING,
        meaning="Time zones in use that the tzdata package no longer has.",
        summary="{value:.0f} time zones are no longer in the tzdata package; their last known rules are used",
        threshold=0,
        for_seconds=5 * MINUTE,
        promql="max(almanac_zones_dropped{$own}) > $threshold",
    ),
)
