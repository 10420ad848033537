"""One event as event-service's API shows it."""

from http import HTTPStatus
from uuid import UUID

from almanac_client import ApiError
from almanac_client.events import Events
from analytics_service.domain.records import EventRecord, Transition
from contracts.vocabulary import Priority


async def find(events: Events, event_id: UUID) -> EventRecord | None:
    """None where event-service knows no such event, or no longer. Raises AlmanacError where it does not answer."""
    try:
        event = await events.get(event_id)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    return EventRecord(
        id=event.id,
        event_type=event.event_type,
        status=event.status,
        priority=Priority[event.priority].value,
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
