"""Metrics: OpenTelemetry instruments, read by Prometheus at ``/metrics`` (design §7)."""

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_BELOW_A_SECOND = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
SECONDS = (*_BELOW_A_SECOND, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 10_800.0, 86_400.0)
"""Bucket bounds of every histogram of seconds: from a claim to a day late. Exported as they are written, and so floats:
rules ask for ``le="5.0"``, which Prometheus 2 would not find in ``le="5"``."""


def start_metrics(resource: Resource) -> MeterProvider:
    """Install the process's meter provider."""
    views = [
        View(instrument_type=Histogram, instrument_unit="s", aggregation=ExplicitBucketHistogramAggregation(SECONDS))
    ]
    provider = MeterProvider([PrometheusMetricReader()], resource=resource, views=views)
    metrics.set_meter_provider(provider)
    return provider


def render() -> tuple[bytes, str]:
    """All metrics of the process in Prometheus' text format, and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
