"""Endpoints, deliveries and dead letters (delivery-service)."""

from datetime import datetime
from uuid import UUID

from contracts.http.model import HttpModel


class Attempt(HttpModel):
    """One request to an endpoint and its result."""

    status: str
    http_status: int | None
    error: str | None
    headers: dict[str, str] | None = None
    excerpt: str | None
    started_at: datetime
    duration_seconds: float
    trace_id: str | None


class Endpoint(HttpModel):
    """An endpoint. ``secret`` is set only in the reply to its creation."""

    id: UUID
    version: int = 0
    kind: str
    url: str | None
    description: str | None
    event_types: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    timeout_seconds: int
    rate_limit: float | None = None
    concurrency: int | None = None
    retry_schedule: tuple[float, ...] | None = None
    respect_send_window: bool = False
    signature_algorithm: str | None = None
    previous_secret_until: datetime | None = None
    enabled: bool
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    created_at: datetime
    unreadable: bool = False
    """The key that encrypts its secrets is lost: nothing can be sent to it."""
    secret: str | None = None

    @property
    def name(self) -> str:
        """Its description, or else its address or kind."""
        return self.description or self.url or self.kind


class SecuredEndpoint(Endpoint):
    """An endpoint with its new secret, which is not shown again. Without a secret, ``note`` gives the reason."""

    note: str | None = None


class Percentiles(HttpModel):
    """Durations of attempts, in seconds."""

    p50: float
    p95: float
    p99: float


class Circuit(HttpModel):
    """Whether attempts are held back, and when the next probe may be sent."""

    state: str
    failures_in_row: int
    failing_since: datetime | None
    probe_at: datetime | None


class EndpointStats(HttpModel):
    """Results of an endpoint's newest 1,000 deliveries of the last 24 hours, and its circuit as of now."""

    circuit: Circuit
    deliveries: int
    pending: int
    succeeded: int
    failed: int
    success_rate: float | None
    attempts: int
    latency: Percentiles | None
    last_error: Attempt | None


class Delivery(HttpModel):
    """One event for one endpoint. ``endpoint_id`` is None where no endpoint matched the event."""

    id: UUID
    event_id: UUID
    user_id: UUID | None = None
    event_type: str
    endpoint_id: UUID | None
    status: str
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    http_status: int | None
    latency_seconds: float | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetail(Delivery):
    """A delivery with its attempts, oldest first."""

    history: tuple[Attempt, ...]


class DeadLetter(HttpModel):
    """A delivery or message that was given up."""

    id: UUID
    status: str
    reason: str
    detail: str | None
    delivery_id: UUID | None
    event_id: UUID | None
    user_id: UUID | None
    event_type: str | None
    priority: str | None
    endpoint_id: UUID | None
    attempts: int
    http_status: int | None
    trace_id: str | None
    queue: str | None
    created_at: datetime
    resolved_at: datetime | None
    note: str | None

    @property
    def is_open(self) -> bool:
        """Whether it was neither redriven nor discarded."""
        return self.status == "OPEN"


class DeadLetterDetail(DeadLetter):
    """A dead letter with the message's body."""

    payload: str


class Redrive(HttpModel):
    """A redrive of many dead letters, and its progress."""

    id: UUID
    total: int
    redriven: int
    skipped: int
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool = False

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1."""
        return 1.0 if self.finished_at is not None else (self.redriven + self.skipped) / max(self.total, 1)


class Discarded(HttpModel):
    """How many dead letters were discarded."""

    discarded: int
