"""Traces, metrics and logs (docs/architecture.md#traces-metrics-logs)."""
