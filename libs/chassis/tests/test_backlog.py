"""The consumer of a queue exports its depth and age."""

import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import chassis.messaging.backlog
import chassis.messaging.bus
from chassis.messaging.backlog import EVERY_SECONDS, Backlog
from chassis.messaging.bus import Bus


async def test_a_queue_is_as_old_as_its_consumer_is_behind_while_something_waits(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    monkeypatch.setattr(chassis.messaging.bus, "_depth", meter.create_gauge("depth"))
    monkeypatch.setattr(chassis.messaging.backlog, "_age", meter.create_gauge("age"))
    queue = bus.topology.queue("analytics")
    reached: float | None = time.time() - 400
    backlog = Backlog(bus, queue, lambda: reached)

    def exported(name: str) -> Any:
        data: Any = reader.get_metrics_data()
        (value,) = (
            point.value
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
            if metric.name == name
            for point in metric.data.data_points
            if point.attributes == {"queue": queue.name}
        )
        return value

    assert await backlog.step() == EVERY_SECONDS
    assert (exported("depth"), exported("age")) == (0, 0)
    for _ in range(2):
        await bus.sqs.send_message(QueueUrl=await bus.queue_url(queue.name), MessageBody="hello")
    await backlog.step()
    assert (exported("depth"), exported("age")) == (2, pytest.approx(400, abs=20))
    reached = None  # it has not asked for anything yet
    await backlog.step()
    assert exported("age") < 60
