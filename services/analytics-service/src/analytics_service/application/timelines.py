"""Everything that happened to one event."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from almanac_client import Almanac
from analytics_service.adapters import delivery_records, event_records, timelines
from analytics_service.adapters.delivery_records import MAX_DELIVERIES
from analytics_service.application.fan_out import ask
from analytics_service.domain.errors import EventNotFoundError
from analytics_service.domain.records import EventRecord, Missing
from analytics_service.domain.timeline import TimelineEntry
from analytics_service.domain.waterfall import Span, waterfall
from chassis.database.read_routing import Reads


@dataclass(frozen=True, slots=True)
class Timeline:
    """An event's facts, oldest first, and the waterfall that comes of them and of what the other services add.

    ``event`` is None where event-service does not know it any more, or did not answer; then it is in ``missing``.
    """

    event: EventRecord | None
    entries: Sequence[TimelineEntry]
    spans: Sequence[Span]
    missing: Sequence[Missing]

    @property
    def trace_ids(self) -> list[str]:
        """Every trace that something of it is in, in order of appearance."""
        ids = (*(span.trace_id for span in self.spans), *(entry.trace_id for entry in self.entries))
        return list(dict.fromkeys(id for id in ids if id is not None))


async def timeline(reads: Reads, almanac: Almanac, event_id: UUID) -> Timeline:
    """The stored facts, with the data of the other services.

    Raises:
        EventNotFoundError: no service that answers knows the event.
    """
    missing: list[Missing] = []

    entries, event, found = await asyncio.gather(
        reads.find(lambda reader: timelines.read(reader, event_id)),
        ask(almanac.events.service, event_records.find(almanac.events, event_id), missing),
        ask(almanac.deliveries.service, delivery_records.of_event(almanac.deliveries, event_id), missing),
    )
    deliveries, more = found or (None, False)
    if not entries and event is None and not deliveries:
        raise EventNotFoundError(
            "; ".join((f"nothing is known of event {event_id}", *(each.reason for each in missing)))
        )
    if more:
        missing.append(Missing(almanac.deliveries.service, f"only the newest {MAX_DELIVERIES} deliveries are shown"))
    missing.sort(key=lambda each: each.service)
    return Timeline(event, entries, waterfall(entries, event, deliveries), missing)
