"""How services stand: the response of each to ``/v1/status``."""

from datetime import datetime
from uuid import UUID

from analytics_service.console.clients.http import Answer
from contracts.vocabulary import Priority


class DatabaseStatus(Answer):
    """The server that a service's database is on; several services may share one."""

    connections_used: int
    connections_max: int
    replica_lag_seconds: float | None = None


class OutboxStatus(Answer):
    """Messages waiting to be published."""

    unsent: int
    oldest_age_seconds: float


class QueueStatus(Answer):
    """One queue; counts are None while the bus does not answer."""

    name: str
    priority: Priority | None = None
    depth: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    oldest_age_seconds: float | None = None
    concurrency: int
    warn_depth: int
    page_depth: int


class ServiceStatus(Answer):
    """The fields that every service reports."""

    database: DatabaseStatus
    outbox: OutboxStatus
    queues: tuple[QueueStatus, ...]
    dead_letter_messages: int
    bus_error: str | None = None


class EventsOfPriority(Answer):
    """Events of one priority that are due or claimed."""

    priority: Priority
    due: int
    overdue: int
    oldest_due_age_seconds: float | None = None
    claimed: int
    published: int


class EventStatus(ServiceStatus):
    """How event-service stands."""

    events: tuple[EventsOfPriority, ...]
    pending: int
    pending_estimated: bool


class DeliveriesOfPriority(Answer):
    """Deliveries of one priority that are not over."""

    priority: Priority
    waiting: int
    due: int
    in_flight: int
    oldest_due_age_seconds: float | None = None
    concurrency: int


class OpenCircuit(Answer):
    """An endpoint whose circuit is open or half open."""

    endpoint_id: UUID
    description: str | None = None
    state: str
    failing_since: datetime | None = None
    failures_in_row: int


class EndpointHealth(Answer):
    """How many endpoints stand how."""

    enabled: int
    disabled: int
    open: int
    half_open: int
    circuits: tuple[OpenCircuit, ...] = ()


class DeadLetterCounts(Answer):
    """Open dead letters."""

    open: int
    new_in_last_hour: int


class DeliveryStatus(ServiceStatus):
    """How delivery-service stands."""

    deliveries: tuple[DeliveriesOfPriority, ...]
    endpoints: EndpointHealth
    dead_letters: DeadLetterCounts
