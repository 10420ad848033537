"""What the other services tell of themselves at ``/v1/status``. Only the fields that alerts need are read."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analytics_service.domain.observations import (
    CircuitReading,
    DeliveriesReading,
    DeliveryReading,
    EventsReading,
    QueueReading,
    ServiceReading,
)
from chassis.messaging.status import Status
from contracts.wire import wire_name

Seconds = Annotated[float, Field(ge=0)]


class _Told(BaseModel):
    model_config = ConfigDict(alias_generator=wire_name, frozen=True)


class _Database(_Told):
    connections_used: int
    connections_max: Annotated[int, Field(gt=0)]
    replica_lag_seconds: float | None


class _Outbox(_Told):
    oldest_age_seconds: float


class _Queue(_Told):
    name: str
    priority: str | None
    depth: int | None
    dead: int | None
    oldest_age_seconds: float | None
    warn_depth: int
    page_depth: int


class ReportedStatus(_Told):
    """The fields that every service reports."""

    database: _Database
    outbox: _Outbox
    queues: Sequence[_Queue]
    bus_error: str | None

    def reading(self) -> ServiceReading:
        return ServiceReading(
            connections_used=self.database.connections_used,
            connections_max=self.database.connections_max,
            replica_lag_seconds=self.database.replica_lag_seconds,
            outbox_age_seconds=self.outbox.oldest_age_seconds,
            bus_error=self.bus_error,
            queues=[QueueReading(**dict(queue)) for queue in self.queues],
        )


class _Events(_Told):
    priority: str
    overdue: int
    oldest_due_age_seconds: float | None
    claims_expired: int
    unanswered: int


class ReportedEventStatus(ReportedStatus):
    """And event-service."""

    events: Sequence[_Events]

    def events_reading(self) -> list[EventsReading]:
        return [EventsReading(**dict(each)) for each in self.events]


class _Deliveries(_Told):
    priority: str
    in_flight: int
    abandoned: int
    concurrency: Annotated[int, Field(gt=0)]


class _Circuit(_Told):
    endpoint_id: str
    description: str | None
    failures_in_row: int


class _Endpoints(_Told):
    circuits: Sequence[_Circuit]


class _Attempts(_Told):
    made: int
    succeeded: int
    timed_out: int


class _DeadLetters(_Told):
    open: int


class ReportedDeliveryStatus(ReportedStatus):
    """And delivery-service."""

    deliveries: Sequence[_Deliveries]
    endpoints: _Endpoints
    recent_attempts: _Attempts
    dead_letters: _DeadLetters

    def delivery_reading(self) -> DeliveryReading:
        return DeliveryReading(
            deliveries=[DeliveriesReading(**dict(each)) for each in self.deliveries],
            circuits=[CircuitReading(**dict(each)) for each in self.endpoints.circuits],
            attempts=self.recent_attempts.made,
            attempts_succeeded=self.recent_attempts.succeeded,
            attempts_timed_out=self.recent_attempts.timed_out,
            dead_letters_open=self.dead_letters.open,
        )


def own_reading(status: Status) -> ServiceReading:
    """The same of this service, from its own board."""
    return ServiceReading(
        connections_used=status.database.connections_used,
        connections_max=status.database.connections_max,
        replica_lag_seconds=status.database.replica_lag_seconds,
        outbox_age_seconds=status.outbox.oldest_age_seconds,
        bus_error=status.bus_error,
        queues=[
            QueueReading(
                name=each.queue.name,
                priority=None if each.queue.priority is None else each.queue.priority.name,
                depth=each.depth,
                dead=each.dead,
                oldest_age_seconds=each.oldest_age_seconds,
                warn_depth=each.queue.warn_depth,
                page_depth=each.queue.page_depth,
            )
            for each in status.queues
        ],
    )
