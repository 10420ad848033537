"""Alerts about deliveries: attempts at webhooks, circuits, endpoints, dead letters."""

from typing import Final

from contracts.alerts.alert import MINUTE, Alert, Recording, Severity

RECORDINGS: Final = (
    Recording(
        "almanac:webhook_success:ratio_rate5m",
        """
sum(rate(almanac_delivery_attempts_total{$own, class="2xx"}[5m]))
  / sum(rate(almanac_delivery_attempts_total{$own}[5m]))
""",
    ),
    Recording(
        "almanac:webhook_timeout:ratio_rate5m",
        """
(sum(rate(almanac_delivery_attempts_total{$own, class=~"(connect_)?timeout"}[5m])) or vector(0))
  / sum(rate(almanac_delivery_attempts_total{$own}[5m]))
""",
    ),
)

DELIVERY: Final = (
    Alert(
        name="WebhookSuccessLow",
        severity=Severity.WARNING,
        meaning="Share of the webhook attempts of the last five minutes that succeeded.",
        summary="Only {value:.0%} of webhook attempts succeed",
        threshold=0.95,
        for_seconds=10 * MINUTE,
        below=True,
        promql="almanac:webhook_success:ratio_rate5m{$own} < $threshold",
        evaluated=True,
        clears_at=0.97,
    ),
    Alert(
        name="WebhookTimeoutsHigh",
        severity=Severity.WARNING,
        meaning="Share of the webhook attempts of the last five minutes that timed out.",
        summary="{value:.0%} of webhook attempts time out",
        threshold=0.05,
        for_seconds=5 * MINUTE,
        promql="almanac:webhook_timeout:ratio_rate5m{$own} > $threshold",
        evaluated=True,
        clears_at=0.03,
    ),
    Alert(
        name="WebhookSlow",
        severity=Severity.WARNING,
        meaning="Seconds that a webhook attempt takes (p95).",
        summary="{priority} webhooks take {value:.0f} s (p95)",
        threshold=10,
        for_seconds=5 * MINUTE,
        promql="histogram_quantile("
        "0.95, sum by (priority, le) (rate(almanac_webhook_duration_seconds_bucket{$own}[5m]))) > $threshold",
        evaluated=True,
        clears_at=5,
    ),
    Alert(
        name="CircuitBreakerTripped",
        severity=Severity.WARNING,
        meaning="Circuits that opened in the last ten minutes.",
        summary="{value:.0f} endpoints failed so often that their circuit opened",
        threshold=0,
        promql="sum(increase(almanac_circuit_trips_total{$own}[10m])) > $threshold",
    ),
    Alert(
        name="CircuitOpen",
        severity=Severity.WARNING,
        meaning="The circuit of an endpoint is open.",
        summary="The circuit of {endpoint} is open after {failures} attempts that failed in a row",
        evaluated=True,
        clear_seconds=15,
    ),
    Alert(
        name="EndpointSoonDisabled",
        severity=Severity.WARNING,
        meaning="Endpoints that began, in the last 15 minutes, to fail for so long that they will be disabled.",
        summary="{value:.0f} endpoints failed for so long that they will be disabled unless an attempt succeeds",
        threshold=0,
        promql="sum(increase(almanac_endpoint_disable_warnings_total{$own}[15m])) > $threshold",
    ),
    Alert(
        name="EndpointDisabled",
        severity=Severity.WARNING,
        meaning="Endpoints that were disabled in the last five minutes.",
        summary="{value:.0f} endpoints were disabled",
        threshold=0,
        evaluated=True,
    ),
    Alert(
        name="ConcurrencyExhausted",
        severity=Severity.WARNING,
        meaning="Share of the fleet's concurrency that the deliveries of a priority use.",
        summary="{priority} deliveries use {value:.0%} of the fleet's concurrency",
        threshold=0.9,
        for_seconds=5 * MINUTE,
        evaluated=True,
        clears_at=0.7,
    ),
    Alert(
        name="DeliveriesAbandoned",
        severity=Severity.WARNING,
        meaning="Deliveries of dead workers that no other worker claims.",
        summary="{value:.0f} {priority} deliveries of dead workers are not claimed",
        threshold=0,
        for_seconds=MINUTE,
        evaluated=True,
    ),
    Alert(
        name="LeasesExpireAgain",
        severity=Severity.CRITICAL,
        meaning="Deliveries whose lease expired twice in a row without a recorded attempt, in 15 minutes.",
        summary="{priority}: the leases of {value:.0f} deliveries expired twice in a row without a recorded attempt",
        threshold=0,
        promql="sum by (priority) (increase(almanac_delivery_leases_expired_again_total{$own}[15m])) > $threshold",
    ),
    Alert(
        name="AttemptsFailInternally",
        severity=Severity.WARNING,
        meaning="Attempts that failed by an exception of Almanac, in 15 minutes.",
        summary="{priority}: {value:.0f} attempts failed by an exception of Almanac",
        threshold=0,
        promql='sum by (priority) (increase(almanac_delivery_attempts_total{$own, class="internal_error"}[15m]))'
        " > $threshold",
    ),
    Alert(
        name="DeadLettersNew",
        severity=Severity.WARNING,
        meaning="Dead letters of the last five minutes, by reason.",
        summary="{value:.0f} new dead letters: {reason}",
        threshold=0,
        evaluated=True,
        clear_seconds=30,
    ),
    Alert(
        name="DeadLettersMany",
        severity=Severity.WARNING,
        meaning="Dead letters neither redriven nor discarded.",
        summary="{value:.0f} dead letters are open",
        threshold=100,
        for_seconds=MINUTE,
        promql="sum(almanac_dead_letters_open{$own}) > $threshold",
        evaluated=True,
        clears_at=50,
    ),
)
