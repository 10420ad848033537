"""Replies about how an endpoint does."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from chassis.api.wire import WireModel
from delivery_service.api.schemas import AttemptBody
from delivery_service.domain.circuits import CircuitState
from delivery_service.domain.endpoint_stats import EndpointStats


class LatencyBody(WireModel):
    """Seconds that attempts took."""

    p50: float
    p95: float
    p99: float


class CircuitBody(WireModel):
    """Whether attempts are held back."""

    state: Annotated[CircuitState, Field(description="`OPEN`: nothing is sent until a probe may be.")]
    failures_in_row: int
    failing_since: datetime | None
    probe_at: Annotated[datetime | None, Field(description="When one attempt may try; null where it is closed.")]


class StatisticsBody(WireModel):
    """How an endpoint has done lately, and how it stands. Times are real time."""

    circuit: CircuitBody
    deliveries: int
    pending: int
    succeeded: int
    failed: int
    success_rate: Annotated[float | None, Field(description="Of the deliveries that ended; null where none did.")]
    attempts: int
    latency: Annotated[LatencyBody | None, Field(description="Of the attempts; null where there are none.")]
    last_error: Annotated[AttemptBody | None, Field(description="The newest attempt that did not succeed.")]

    @classmethod
    def of(cls, found: EndpointStats) -> Self:
        latency, circuit = found.latency, found.circuit
        return cls(
            circuit=CircuitBody(
                state=circuit.state,
                failures_in_row=circuit.failures_in_row,
                failing_since=circuit.failing_since,
                probe_at=circuit.probe_at,
            ),
            deliveries=found.deliveries,
            pending=found.pending,
            succeeded=found.succeeded,
            failed=found.failed,
            success_rate=found.success_rate,
            attempts=found.attempts,
            latency=None if latency is None else LatencyBody(p50=latency.p50, p95=latency.p95, p99=latency.p99),
            last_error=None if found.last_error is None else AttemptBody.of(found.last_error),
        )
