"""A due event's message, read: which messages can be delivered, and how they are ingested."""

from contracts.due import DueEvent, parse_due_event
from contracts.errors import ContractError
from delivery_service.domain.deliveries import ReceivedEvent

MAX_KEY = 255


def check_due_event(body: str) -> DueEvent:
    """Parse a due event that can be delivered. Raises ContractError for what never can."""
    due = parse_due_event(body)
    key = due.idempotency_key
    if not (key.isascii() and key.isprintable() and len(key) <= MAX_KEY):
        raise ContractError(f"idempotencyKey: goes into a header: at most {MAX_KEY} printable ASCII characters")
    return due


def received_event(due: DueEvent, body: str, traceparent: str | None, queue_seconds: float | None) -> ReceivedEvent:
    """The event to ingest of ``due``, which came as ``body``."""
    metadata = due.metadata
    return ReceivedEvent(
        event_id=due.event_id,
        attempt=metadata.attempt,
        user_id=metadata.user_id,
        event_type=due.event_type,
        priority=metadata.priority,
        due=body,
        target_at=metadata.target_timestamp_utc,
        expires_at=metadata.expires_at,
        late=metadata.late,
        tags=tuple(metadata.tags),
        traceparent=traceparent,
        queue_seconds=queue_seconds,
    )
