"""Alerts about the HTTP APIs, by what their clients see. Probes, ``/metrics`` and the console are not counted."""

from typing import Final

from contracts.alerts.alert import FEWEST, MINUTE, Alert, Recording, Severity

REQUESTS: Final = 'http_server_request_duration_seconds_count{$own, component=~".+-api"}'
FAILED: Final = (
    'http_server_request_duration_seconds_count{$own, component=~".+-api", http_response_status_code=~"5.."}'
)
BULK_ROUTES: Final = ".*/(imports|exports)(/.*)?"
"""Routes that take or give whole files, whose time depends on the file."""
OBJECTIVE_SECONDS: Final = 0.5
"""Within this time 95% of the other requests should be answered (the bound of a bucket)."""
_ROUTE: Final = "job, http_request_method, http_route"
_TIMES: Final = f'http_server_request_duration_seconds_bucket{{$own, component=~".+-api", http_route!~"{BULK_ROUTES}"}}'


def failed_share(labels: str, window: str) -> str:
    """PromQL for the share of requests answered with 5xx, by ``labels``: 0, and not nothing, where none is."""
    every = f"sum by ({labels}) (rate({REQUESTS}[{window}]))"
    return f"(sum by ({labels}) (rate({FAILED}[{window}])) or 0 * {every})\n  / {every}"


RECORDINGS: Final = (
    Recording("almanac:api_errors_by_route:ratio_rate5m", failed_share(_ROUTE, "5m")),
    Recording(
        "almanac:api_duration_seconds:p95_5m",
        f"histogram_quantile(0.95, sum by ({_ROUTE}, le) (rate({_TIMES}[5m])))",
    ),
)

API: Final = (
    Alert(
        name="ApiErrorRateHigh",
        severity=Severity.CRITICAL,
        meaning="Share of the requests to a service's API that it answers with 5xx.",
        summary="{value:.0%} of the requests to the API of {service} fail",
        threshold=0.10,
        for_seconds=5 * MINUTE,
        promql=f"""
almanac:api_failed:ratio_rate5m{{$own}} > $threshold
and on (job) sum by (job) (increase({REQUESTS}[5m])) >= {FEWEST}
""",
    ),
    Alert(
        name="ApiErrorRateElevated",
        severity=Severity.WARNING,
        meaning="Share of the requests to a route that are answered with 5xx.",
        summary="{value:.0%} of {http_request_method} {http_route} of {service} fail",
        threshold=0.02,
        for_seconds=10 * MINUTE,
        promql=f"""
almanac:api_errors_by_route:ratio_rate5m{{$own}} > $threshold
and on ({_ROUTE}) sum by ({_ROUTE}) (increase({REQUESTS}[5m])) >= {FEWEST}
""",
    ),
    Alert(
        name="ApiSlow",
        severity=Severity.WARNING,
        meaning="Seconds that a route takes to answer (p95).",
        summary="{http_request_method} {http_route} of {service} takes {value:.1f} s (p95)",
        threshold=1,
        for_seconds=10 * MINUTE,
        promql=f"""
almanac:api_duration_seconds:p95_5m{{$own}} > $threshold
and on ({_ROUTE}) sum by ({_ROUTE}) (increase({REQUESTS}[5m])) >= {FEWEST}
""",
    ),
)
