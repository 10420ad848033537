"""Metrics: OpenTelemetry instruments, read by Prometheus at ``/metrics``."""

from threading import Lock

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_BELOW_A_SECOND = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
SECONDS = (*_BELOW_A_SECOND, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 10_800.0, 86_400.0)
"""Bucket bounds of every histogram of seconds: from a claim to a day late. Exported as they are written, and so floats:
rules ask for ``le="5.0"``, which Prometheus 2 would not find in ``le="5"``."""


def start_metrics(resource: Resource) -> MeterProvider:
    """Install the process's meter provider."""
    views = [
        # Nothing that a client chooses names a series: no host, no path, no protocol version.
        View(
            instrument_name="http.server.request.duration",
            attribute_keys={
                "http.request.method",
                "http.response.status_code",
                "http.route",
                "url.scheme",
                "error.type",
            },
            aggregation=ExplicitBucketHistogramAggregation(SECONDS),
        ),
        View(instrument_name="http.server.active_requests", attribute_keys={"http.request.method", "url.scheme"}),
        View(instrument_name="http.server.*.body.size", aggregation=DropAggregation()),
        View(
            instrument_name="almanac_*",
            instrument_type=Histogram,
            instrument_unit="s",
            aggregation=ExplicitBucketHistogramAggregation(SECONDS),
        ),
    ]
    provider = MeterProvider([PrometheusMetricReader()], resource=resource, views=views)
    metrics.set_meter_provider(provider)
    return provider


_rendering = Lock()


def render() -> tuple[bytes, str]:
    """All metrics of the process in Prometheus' text format, and its content type.

    Takes milliseconds for a thousand series: to be called in a thread. One rendering at a time, however many ask.
    """
    with _rendering:
        return generate_latest(), CONTENT_TYPE_LATEST
