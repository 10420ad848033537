"""Request and reply models of the API; they never leave this room. Those of endpoints have a module of their own."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from chassis.api.pages import Cursor, Limit, decode_cursor
from chassis.api.wire import Instant, RequestModel, WireModel
from chassis.core.errors import InvalidParameterError
from contracts.vocabulary import Channel, Priority
from delivery_service.domain.attempts import Attempt, Verdict
from delivery_service.domain.deliveries import Delivery, DeliveryStatus, Search


class PageQuery(RequestModel):
    """Which part of a list."""

    limit: Limit = 50
    cursor: Cursor = None


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Raises InvalidParameterError where nothing can be between them."""
    if start is not None and end is not None and start >= end:
        raise InvalidParameterError("from", "must be earlier than `to`")


class DeliveryQuery(PageQuery):
    """Which deliveries to list: those that meet every filter given."""

    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    user_id: UUID | None = None
    status: DeliveryStatus | None = None
    reason: Annotated[str | None, Field(max_length=50, description="Why it failed, as `exhausted`.")] = None
    from_at: Annotated[Instant | None, Field(alias="from", description="Created then or later.")] = None
    to_at: Annotated[Instant | None, Field(alias="to", description="Created before.")] = None

    def search(self) -> Search:
        """Raises InvalidParameterError."""
        check_range(self.from_at, self.to_at)
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
    user_id: Annotated[UUID | None, Field(description="Null for an operational event.")]
    event_type: Annotated[str, Field(description="An event type, or an operational event as `endpoint.disabled`.")]
    endpoint_id: Annotated[UUID | None, Field(description="Null where no endpoint wanted the event.")]
    channel: Annotated[Channel | None, Field(description="The endpoint's kind, also once it is deleted.")]
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
            event_type=delivery.event_type,
            endpoint_id=delivery.endpoint_id,
            channel=None if delivery.channel is None else Channel(delivery.channel),
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
    """One POST and its result."""

    status: Annotated[
        Verdict,
        Field(description="`retry`: failed in a way that may pass. `rejected`: for good. `gone`: and for all others."),
    ]
    http_status: int | None
    error: Annotated[
        str | None,
        Field(
            description="Class of the fault, where there was no response. `internal_error`: Almanac could not process "
            "the attempt or its answer."
        ),
    ]
    detail: Annotated[str | None, Field(description="What explains `error`: a message, or the class of an exception.")]
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
            detail=attempt.detail,
            headers=None if attempt.headers is None else dict(attempt.headers),
            excerpt=attempt.excerpt,
            started_at=attempt.started_at,
            duration_seconds=attempt.duration_seconds,
            trace_id=attempt.trace_id,
        )


class DeliveryDetailBody(DeliveryBody):
    """A delivery with its attempts, oldest first."""

    history: list[AttemptBody]
