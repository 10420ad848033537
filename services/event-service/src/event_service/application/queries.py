"""Reading events."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from event_service.adapters import event_views, events
from event_service.adapters.event_views import EventFilter, EventView, Position
from event_service.domain.errors import EventNotFoundError

__all__ = ["EventFilter", "EventView", "get_event", "list_events", "summarise"]


async def get_event(database: Database, event_id: UUID) -> EventView:
    """Raises EventNotFoundError."""
    event = await event_views.find(database, event_id)
    if event is None:
        raise EventNotFoundError(f"there is no event {event_id}")
    return event


async def list_events(
    database: Database, wanted: EventFilter, *, before: Position | None, limit: int
) -> Sequence[EventView]:
    """Latest target first; ``before`` is where the page before ended."""
    return await event_views.search(database, wanted, before=before, limit=limit)


async def summarise(database: Database) -> dict[str, int]:
    """See :func:`event_service.adapters.events.summary`."""
    return await events.summary(database)
