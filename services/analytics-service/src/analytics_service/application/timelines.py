"""Everything that happened to one event."""

from collections.abc import Sequence
from uuid import UUID

from analytics_service.adapters import timelines
from analytics_service.domain.errors import EventNotFoundError
from analytics_service.domain.timeline import TimelineEntry
from chassis.reads import Reads


async def timeline(reads: Reads, event_id: UUID) -> Sequence[TimelineEntry]:
    """Oldest first.

    Raises:
        EventNotFoundError: nothing is known of the event.
    """
    entries = await reads.find(lambda reader: timelines.read(reader, event_id))
    if not entries:
        raise EventNotFoundError(f"nothing is known of event {event_id}")
    return entries
