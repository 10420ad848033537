"""``/v1/status`` and ``/v1/usage``: what every service reports of itself, and what two of them add."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from contracts.http.model import HttpModel
from contracts.vocabulary import Priority


class DatabaseStatus(HttpModel):
    """The server that the service's database is on; several services may share one."""

    connections_used: int = Field(description="Of all clients, on all of the server's databases.")
    connections_max: int = Field(description="What the server allows.")
    replica_lag_seconds: float | None = Field(
        description="Age of what the read replica shows, 0 where it is current; null without one."
    )


class OutboxStatus(HttpModel):
    """Messages waiting to be published."""

    unsent: int = Field(description="Items, counted up to 100,000.")
    oldest_age_seconds: float = Field(description="Since the oldest of them was written; 0 where none waits.")


class QueueStatus(HttpModel):
    """One queue that the service works on. Counts are those of SQS, which are approximate; null if it does not
    answer."""

    name: str
    priority: Priority | None = Field(description="Priority of the due events in it; null for other queues.")
    depth: int | None = Field(description="Messages waiting in the queue.")
    in_flight: int | None = Field(description="Messages received and not yet deleted.")
    dead: int | None = Field(description="Messages in its dead-letter queue.")
    oldest_age_seconds: float | None = Field(
        description="Upper bound of the age of the oldest waiting message; null if no consumer has received from the"
        " queue yet. It is up to 5 s too high while the queue is consumed, and up to 20 s more after a lull.",
    )
    concurrency: int = Field(description="Maximum number of messages that the whole fleet handles concurrently.")
    warn_depth: int = Field(description="Depth that raises a warning.")
    page_depth: int = Field(description="Depth that raises a critical alert.")


class ServiceStatus(HttpModel):
    """The fields that every service reports. At most a second old."""

    taken_at: datetime = Field(description="When the database was asked, by its own (real) clock.")
    database: DatabaseStatus
    outbox: OutboxStatus
    queues: tuple[QueueStatus, ...] = Field(description="Those that this service works on.")
    dead_letter_messages: int = Field(description="Messages it could not parse or apply, kept to be looked at.")
    bus_error: str | None = Field(description="Why the counts of the queues are not known; null where they are.")


class EventsOfPriority(HttpModel):
    """Events of one priority. Each count goes up to 100,000."""

    priority: Priority
    due: int = Field(description="Their instant has come, and they are not claimed.")
    overdue: int = Field(description="Those of them that have been due for a minute or longer.")
    oldest_due_age_seconds: float | None = Field(
        description="How long the first of them has been due, on the events' clock; null where none is."
    )
    claimed: int = Field(description="Taken by a scheduler and not on the bus yet.")
    claims_expired: int = Field(description="Those of them that should have been long ago: will be claimed again.")
    published: int = Field(description="On the bus or with delivery-service, their outcome awaited.")
    unanswered: int = Field(description="Those of them whose outcome never came: will be published again.")


class EventServiceStatus(ServiceStatus):
    """Status of event-service."""

    events: tuple[EventsOfPriority, ...] = Field(description="One for each priority, the most urgent first.")
    pending: int = Field(description="Events that are scheduled, due or not.")
    pending_estimated: bool = Field(description="Whether that is an estimate: from 10,000 on it is.")


class DeliveriesOfPriority(HttpModel):
    """Pending deliveries of one priority. Each count goes up to 100,000."""

    priority: Priority
    waiting: int = Field(description="For the time of their retry.")
    due: int = Field(description="To be sent and not claimed: no slot is free, or the endpoint cannot accept them.")
    in_flight: int = Field(description="At a worker: being sent, or waiting for a slot there.")
    abandoned: int = Field(description="Their worker has died; the next claim takes them.")
    oldest_due_age_seconds: float | None = Field(
        description="How long the first of those due has been, in real time; null where none is."
    )
    concurrency: int = Field(description="Maximum number of concurrent deliveries of the whole fleet.")


class OpenCircuit(HttpModel):
    """An endpoint that failed so often that it gets no requests until a probe succeeds."""

    endpoint_id: UUID
    description: str | None = None
    state: str = Field(description="`OPEN` or `HALF_OPEN`.")
    failing_since: datetime | None = Field(description="Since when each attempt has failed, in real time.")
    failures_in_row: int


class EndpointCounts(HttpModel):
    """Endpoints by their state."""

    enabled: int
    disabled: int
    open: int = Field(description="Those of the enabled whose circuit is open.")
    half_open: int = Field(description="Those of the enabled that are being probed.")
    circuits: tuple[OpenCircuit, ...] = Field(description="The first 100 of those two, the longest failing first.")


class RecentAttempts(HttpModel):
    """Results of recent attempts at endpoints, retries among them."""

    window_seconds: float = Field(description="How far back it goes: this, or the newest 10,000.")
    made: int
    succeeded: int
    timed_out: int = Field(description="While connecting, or waiting for the answer.")


class DeadLetterCounts(HttpModel):
    """Deliveries that were given up."""

    open: int = Field(description="Dead letters neither redriven nor discarded.")
    open_by_reason: dict[str, int]
    new_in_last_hour: int = Field(description="All that came, open or not, in an hour of Almanac's clock.")


class DeliveryServiceStatus(ServiceStatus):
    """Status of delivery-service."""

    deliveries: tuple[DeliveriesOfPriority, ...] = Field(description="One for each priority, the most urgent first.")
    endpoints: EndpointCounts
    recent_attempts: RecentAttempts
    dead_letters: DeadLetterCounts


class Meter(StrEnum):
    """What is counted. Calls to AWS by operation and resource, a queue or a topic; the rest by the process's roles."""

    AWS_CALLS = "aws_calls"
    AWS_UNITS = "aws_units"
    """What AWS bills: a call counts once for every 64 KiB of its payload that it begins."""
    AWS_MESSAGES = "aws_messages"
    """Messages published or received, whatever number a call has."""
    CPU_SECONDS = "cpu_seconds"
    PROCESS_SECONDS = "process_seconds"
    MEMORY_GIB_SECONDS = "memory_gib_seconds"


class Used(HttpModel):
    """What was used of one thing by all processes."""

    meter: Meter
    operation: str = Field(description="Of a call to AWS; empty for what a process uses.")
    resource: str = Field(description="The queue or topic, where a call has one; the process's roles.")
    amount: float
    first_at: datetime = Field(description="When what is counted began.")
    last_at: datetime = Field(description="When something was last added.")


class ServiceUsage(HttpModel):
    """Usage in whole hours of real time. Every process adds to it once a minute."""

    since: datetime
    until: datetime
    items: tuple[Used, ...]
