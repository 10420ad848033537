"""What every process of Almanac does before its own work: read settings, start logs, spans and metrics."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import uuid4

import uvloop
from opentelemetry import metrics
from opentelemetry.sdk.resources import Resource
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from chassis.api.unready import stay_unready
from chassis.core.errors import broken_rule
from chassis.core.lifecycle import pause
from chassis.core.settings import ProcessSettings
from chassis.telemetry.logging import start_logging
from chassis.telemetry.metrics import start_metrics
from chassis.telemetry.tracing import start_tracing

P = TypeVar("P", bound=ProcessSettings)


class LoopLag:
    """Measures how late the event loop wakes: our form of a throttle."""

    name = "loop-lag"
    EVERY_SECONDS = 0.5

    def __init__(self) -> None:
        self._lag = metrics.get_meter("almanac.runtime").create_histogram(
            "almanac_event_loop_lag", unit="s", description="How late the event loop runs due callbacks"
        )

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            expected = time.monotonic() + self.EVERY_SECONDS
            if not await pause(stopping, self.EVERY_SECONDS):
                self._lag.record(max(0.0, time.monotonic() - expected))


class _Grace(BaseSettings):
    """What is read of the environment where the whole of it cannot be. As in :class:`ProcessSettings`."""

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    settings_grace_seconds: float = 0.0


def read_settings(name: str, settings: Callable[[], P], *, stay: bool = False) -> P:
    """Read the environment. Invalid settings are written to stderr by name, and end the process with status 2.

    With ``stay`` the process first answers ``/readyz`` with the reasons, for ``SETTINGS_GRACE_SECONDS``.
    """
    try:
        return settings()
    except ValidationError as error:
        faults = {
            "_".join(str(part) for part in fault["loc"][:1]).upper(): broken_rule(fault["msg"])
            for fault in error.errors()
        }
        for setting, message in faults.items():
            sys.stderr.write(f"{name}: setting {setting}: {message}\n")
        sys.stderr.flush()
        grace = _Grace()
        if stay and grace.settings_grace_seconds > 0:
            reasons = {
                setting: f"setting {setting}: {message}: set it in the environment or the Secret, and restart"
                for setting, message in faults.items()
            }
            uvloop.run(
                stay_unready(reasons, host=grace.api_host, port=grace.api_port, seconds=grace.settings_grace_seconds)
            )
        raise SystemExit(2) from None


def run_process(name: str, settings: ProcessSettings, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run ``work`` with logs, spans and metrics under the service's ``name``. Returns its exit status."""
    start_logging(name, level=settings.log_level, format=settings.log_format)
    resource = Resource.create(
        {"service.namespace": "almanac", "service.name": name, "service.instance.id": str(uuid4())}
    )
    traces = start_tracing(
        resource, endpoint=settings.otel_exporter_otlp_endpoint, ratio=settings.otel_traces_sampler_ratio
    )
    start_metrics(resource)
    status = uvloop.run(work())
    traces.shutdown()
    return status
