"""What services report at ``/v1/status``, as alerts read it."""

from analytics_service.domain.observations import (
    CircuitReading,
    DeliveriesReading,
    DeliveryReading,
    EventsReading,
    QueueReading,
    ServiceReading,
)
from contracts.http.status import DeliveryServiceStatus, EventServiceStatus, ServiceStatus


def service_reading(status: ServiceStatus) -> ServiceReading:
    """Return the fields that every service reports."""
    return ServiceReading(
        connections_used=status.database.connections_used,
        connections_max=status.database.connections_max,
        replica_lag_seconds=status.database.replica_lag_seconds,
        outbox_age_seconds=status.outbox.oldest_age_seconds,
        bus_error=status.bus_error,
        queues=[
            QueueReading(
                name=queue.name,
                priority=None if queue.priority is None else queue.priority.name,
                depth=queue.depth,
                dead=queue.dead,
                oldest_age_seconds=queue.oldest_age_seconds,
                warn_depth=queue.warn_depth,
                page_depth=queue.page_depth,
            )
            for queue in status.queues
        ],
    )


def events_reading(status: EventServiceStatus) -> list[EventsReading]:
    """Return what event-service adds, by priority."""
    return [
        EventsReading(
            priority=each.priority.name,
            overdue=each.overdue,
            oldest_due_age_seconds=each.oldest_due_age_seconds,
            claims_expired=each.claims_expired,
            unanswered=each.unanswered,
        )
        for each in status.events
    ]


def delivery_reading(status: DeliveryServiceStatus) -> DeliveryReading:
    """Return what delivery-service adds."""
    return DeliveryReading(
        deliveries=[
            DeliveriesReading(
                priority=each.priority.name,
                in_flight=each.in_flight,
                abandoned=each.abandoned,
                concurrency=each.concurrency,
            )
            for each in status.deliveries
        ],
        circuits=[
            CircuitReading(
                endpoint_id=str(each.endpoint_id),
                description=each.description,
                failures_in_row=each.failures_in_row,
            )
            for each in status.endpoints.circuits
        ],
        attempts=status.recent_attempts.made,
        attempts_succeeded=status.recent_attempts.succeeded,
        attempts_timed_out=status.recent_attempts.timed_out,
        dead_letters_open=status.dead_letters.open,
    )
