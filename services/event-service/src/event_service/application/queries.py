"""Reading events."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database.read_routing import Reads
from event_service.adapters import event_views, events
from event_service.adapters.event_views import EventFilter, EventView, Position
from event_service.domain.errors import EventNotFoundError

__all__ = ["EventFilter", "EventView", "get_event", "list_events", "summarise"]


async def get_event(reads: Reads, event_id: UUID) -> EventView:
    """Raises EventNotFoundError."""
    event = await reads.find(lambda reader: event_views.find(reader, event_id))
    if event is None:
        raise EventNotFoundError(f"there is no event {event_id}")
    return event


async def list_events(reads: Reads, wanted: EventFilter, *, before: Position | None, limit: int) -> Sequence[EventView]:
    """Latest target first; ``before`` is where the page before ended."""
    async with reads.open() as reader:
        return await event_views.search(reader, wanted, before=before, limit=limit)


async def summarise(reads: Reads) -> dict[str, int]:
    """See :func:`event_service.adapters.events.summary`."""
    async with reads.open() as reader:
        return await events.summary(reader)
