"""One event as event-service's API shows it."""

from datetime import datetime
from uuid import UUID

from analytics_service.adapters.service_clients import Answer, ServiceClient
from analytics_service.domain.errors import RequestRefusedError
from analytics_service.domain.records import EventRecord, Transition
from contracts.vocabulary import Priority


class _Transition(Answer):
    at: datetime
    status: str
    cause: str


class _Event(Answer):
    id: UUID
    event_type: str
    status: str
    priority: Priority
    user_id: UUID
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timezone: str
    expires_at: datetime
    published_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    history: list[_Transition]


async def find(peer: ServiceClient, event_id: UUID) -> EventRecord | None:
    """None where event-service knows no such event, or no longer. Raises PeerError where it does not answer."""
    try:
        event = await peer.get(f"/v1/events/{event_id}", _Event)
    except RequestRefusedError as error:
        if error.status == 404:
            return None
        raise
    return EventRecord(
        id=event.id,
        event_type=event.event_type,
        status=event.status,
        priority=event.priority.value,
        user_id=event.user_id,
        occurrence=event.occurrence,
        attempt=event.attempt,
        target=event.target_timestamp_utc,
        timezone=event.target_timezone,
        expires_at=event.expires_at,
        published_at=event.published_at,
        finished_at=event.finished_at,
        reason=event.reason,
        history=[Transition(step.at, step.status, step.cause) for step in event.history],
    )
