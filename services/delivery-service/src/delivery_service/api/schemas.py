"""Request and reply models of the API; they never leave this room."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, WithJsonSchema

from chassis.api.pages import Cursor, Limit, decode_cursor
from chassis.api.wire import NOT_SENT, Integer, PatchModel, PlainText, RequestModel, WireModel
from contracts.vocabulary import EventType, Priority
from delivery_service.application.endpoints import CreatedEndpoint
from delivery_service.domain.attempts import Attempt, Verdict
from delivery_service.domain.deliveries import Delivery, DeliveryStatus, Search
from delivery_service.domain.endpoints import (
    MAX_CONCURRENCY,
    MAX_DESCRIPTION,
    MAX_RATE,
    MAX_REASON,
    MAX_RETRIES,
    MAX_RETRY_SECONDS,
    MAX_TAG,
    MAX_TAGS,
    MAX_URL,
    TIMEOUT_SECONDS,
    Endpoint,
    EndpointConfig,
    Kind,
    OperationalEvent,
    check_url,
)

T = TypeVar("T", EventType, Priority, OperationalEvent, str)

SHOWN_BEFORE = "The secret was shown when the endpoint was created with this Idempotency-Key; it is not shown again."


def _distinct(values: list[T] | None) -> tuple[T, ...]:
    return tuple(sorted(set(values or ())))


def _in_order(seconds: list[float] | None) -> tuple[float, ...] | None:
    return None if seconds is None else tuple(seconds)


WebhookUrl = Annotated[
    str,
    Field(min_length=1, max_length=MAX_URL, description="http or https, without credentials and fragment."),
    AfterValidator(check_url),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}),
]
Description = Annotated[PlainText, Field(max_length=MAX_DESCRIPTION)]
EventTypes = Annotated[
    list[EventType] | None, AfterValidator(_distinct), Field(description="None or null: all types, new ones too.")
]
DisabledReason = Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON)]
TimeoutSeconds = Annotated[
    Integer, Field(ge=1, le=TIMEOUT_SECONDS, description="For one attempt, from connecting to the last byte.")
]
Priorities = Annotated[
    list[Priority] | None, AfterValidator(_distinct), Field(description="None or null: all of them.")
]
Tag = Annotated[PlainText, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[
    list[Tag] | None,
    Field(max_length=MAX_TAGS, description="The user must have one of them. None or null: every user."),
    AfterValidator(_distinct),
]
OperationalEvents = Annotated[
    list[OperationalEvent] | None,
    AfterValidator(_distinct),
    Field(description="What to be told about troubles of deliveries and endpoints."),
]
RateLimit = Annotated[
    float, Field(strict=True, gt=0, le=MAX_RATE, description="Attempts a second; what is over it waits.")
]
Concurrency = Annotated[Integer, Field(ge=1, le=MAX_CONCURRENCY, description="Attempts at a time.")]
RetrySchedule = Annotated[
    list[Annotated[float, Field(strict=True, ge=0, le=MAX_RETRY_SECONDS)]] | None,
    Field(
        max_length=MAX_RETRIES,
        description="Seconds before each retry; an empty list: no retry. None or null: the service's own backoff.",
    ),
    AfterValidator(_in_order),
]
Enabled = Annotated[bool, Field(strict=True, description="An endpoint that is not enabled gets nothing.")]


class CreateEndpoint(RequestModel):
    """A new endpoint."""

    url: WebhookUrl
    description: Description | None = None
    event_types: EventTypes = None
    enabled: Enabled = True
    disabled_reason: DisabledReason | None = None
    timeout_seconds: TimeoutSeconds = TIMEOUT_SECONDS
    priorities: Priorities = None
    tags: Tags = None
    operational_events: OperationalEvents = None
    rate_limit: RateLimit | None = None
    concurrency: Concurrency | None = None
    retry_schedule: RetrySchedule = None

    def config(self) -> EndpointConfig:
        return EndpointConfig(
            url=self.url,
            description=self.description,
            event_types=tuple(self.event_types or ()),
            enabled=self.enabled,
            disabled_reason=self.disabled_reason,
            timeout_seconds=self.timeout_seconds,
            priorities=tuple(self.priorities or ()),
            tags=tuple(self.tags or ()),
            operational_events=tuple(self.operational_events or ()),
            rate_limit=self.rate_limit,
            concurrency=self.concurrency,
            retry_schedule=self.retry_schedule,  # type: ignore[arg-type]  # its validator made a tuple of it
        )


class PatchEndpoint(PatchModel):
    """A partial update of an endpoint. Enabling it clears the reason for which it was disabled."""

    url: WebhookUrl = NOT_SENT
    description: Description | None = NOT_SENT
    event_types: EventTypes = NOT_SENT
    enabled: Enabled = NOT_SENT
    disabled_reason: DisabledReason | None = NOT_SENT
    timeout_seconds: TimeoutSeconds = NOT_SENT
    priorities: Priorities = NOT_SENT
    tags: Tags = NOT_SENT
    operational_events: OperationalEvents = NOT_SENT
    rate_limit: RateLimit | None = NOT_SENT
    concurrency: Concurrency | None = NOT_SENT
    retry_schedule: RetrySchedule = NOT_SENT


class PageQuery(RequestModel):
    """Which part of a list."""

    limit: Limit = 50
    cursor: Cursor = None


class EndpointBody(WireModel):
    """An endpoint."""

    id: UUID
    version: int
    kind: Kind
    url: str | None
    description: str | None
    event_types: Sequence[EventType]
    priorities: Sequence[Priority]
    tags: Sequence[str]
    operational_events: Sequence[OperationalEvent]
    timeout_seconds: int
    rate_limit: float | None
    concurrency: int | None
    retry_schedule: Sequence[float] | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint, **more: Any) -> Self:
        return cls(
            id=endpoint.id,
            version=endpoint.version,
            **asdict(endpoint.config) | {"priorities": [Priority(each) for each in endpoint.config.priorities]},
            disabled_at=endpoint.disabled_at,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
            **more,
        )


class CreatedEndpointBody(EndpointBody):
    """An endpoint with the secret that its webhooks are signed with, in the form of Standard Webhooks."""

    secret: Annotated[str | None, Field(description="Shown this once.")]
    note: Annotated[str | None, Field(description="Why there is no secret, where there is none.")]

    @classmethod
    def created(cls, created: CreatedEndpoint) -> Self:
        return cls.of(created.endpoint, secret=created.secret, note=None if created.secret else SHOWN_BEFORE)


class DeliveryQuery(PageQuery):
    """Which deliveries to list: those that meet every filter given."""

    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    user_id: UUID | None = None
    status: DeliveryStatus | None = None
    reason: Annotated[str | None, Field(max_length=50, description="Why it failed, as `exhausted`.")] = None
    from_at: Annotated[AwareDatetime | None, Field(alias="from", description="Created then or later.")] = None
    to_at: Annotated[AwareDatetime | None, Field(alias="to", description="Created before.")] = None

    def search(self) -> Search:
        position = decode_cursor(self.cursor)
        return Search(
            event_id=self.event_id,
            endpoint_id=self.endpoint_id,
            user_id=self.user_id,
            status=self.status,
            reason=self.reason,
            from_at=self.from_at,
            to_at=self.to_at,
            before=position[1] if position else None,
        )


class DeliveryBody(WireModel):
    """One event on its way to one endpoint."""

    id: UUID
    event_id: UUID
    user_id: UUID
    event_type: EventType
    endpoint_id: Annotated[UUID | None, Field(description="Null where no endpoint wanted the event.")]
    priority: Priority
    status: DeliveryStatus
    reason: Annotated[str | None, Field(description="Why it failed.")]
    attempts: int
    next_attempt_at: Annotated[datetime | None, Field(description="Null during an attempt, and at the end.")]
    http_status: Annotated[int | None, Field(description="Of the last attempt, null where there was no response.")]
    latency_seconds: Annotated[float | None, Field(description="Of the last attempt.")]
    target_timestamp_utc: datetime
    expires_at: datetime
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery, **more: Any) -> Self:
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            user_id=delivery.user_id,
            event_type=EventType(delivery.event_type),
            endpoint_id=delivery.endpoint_id,
            priority=Priority(delivery.priority),
            status=delivery.status,
            reason=delivery.reason,
            attempts=delivery.attempts,
            next_attempt_at=delivery.next_attempt_at,
            http_status=delivery.http_status,
            latency_seconds=delivery.latency_seconds,
            target_timestamp_utc=delivery.target_at,
            expires_at=delivery.expires_at,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
            **more,
        )


class AttemptBody(WireModel):
    """One POST, and what came of it."""

    status: Annotated[
        Verdict,
        Field(description="`retry`: failed in a way that may pass. `rejected`: for good. `gone`: and for all others."),
    ]
    http_status: int | None
    error: Annotated[str | None, Field(description="Class of the fault, where there was no response.")]
    headers: Annotated[dict[str, str] | None, Field(description="Those of the response that are worth keeping.")]
    excerpt: Annotated[str | None, Field(description="The first 4 KiB of the response's body.")]
    started_at: datetime
    duration_seconds: float
    trace_id: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            status=attempt.verdict,
            http_status=attempt.http_status,
            error=attempt.fault,
            headers=None if attempt.headers is None else dict(attempt.headers),
            excerpt=attempt.excerpt,
            started_at=attempt.started_at,
            duration_seconds=attempt.duration_seconds,
            trace_id=attempt.trace_id,
        )


class DeliveryDetailBody(DeliveryBody):
    """A delivery with its attempts, oldest first."""

    history: list[AttemptBody]
