"""Table ``event_timeline``."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from analytics_service.domain.facts import Fact
from analytics_service.domain.timeline import TimelineEntry
from chassis.database.database import Reader, Transaction

_INSERT = text(
    "INSERT INTO event_timeline (event_id, at, kind, source, trace_id, item_id, data)"
    " SELECT event_id, at, kind, source, trace_id, item_id, CAST(data AS jsonb)"
    " FROM unnest(CAST(:event_ids AS uuid[]), CAST(:ats AS timestamptz[]), CAST(:kinds AS text[]),"
    " CAST(:sources AS text[]), CAST(:trace_ids AS text[]), CAST(:item_ids AS uuid[]), CAST(:data AS text[]))"
    " AS t (event_id, at, kind, source, trace_id, item_id, data)"
)
_READ = text(
    "SELECT at, kind, source, trace_id, item_id, data FROM event_timeline"
    " WHERE event_id = :event_id ORDER BY at, item_id"
)
SWEEP = text(
    "DELETE FROM event_timeline WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_timeline"
    " WHERE at < (SELECT almanac_now()) - make_interval(days => :days) LIMIT :limit))"
)


async def insert(tx: Transaction, facts: Sequence[Fact]) -> None:
    """``facts`` all have an event."""
    await tx.execute(
        _INSERT,
        {
            "event_ids": [fact.event_id for fact in facts],
            "ats": [fact.at for fact in facts],
            "kinds": [fact.kind for fact in facts],
            "sources": [fact.source for fact in facts],
            "trace_ids": [fact.trace_id for fact in facts],
            "item_ids": [fact.item_id for fact in facts],
            "data": [fact.data for fact in facts],
        },
    )


async def read(reader: Reader, event_id: UUID) -> list[TimelineEntry]:
    """Oldest first."""
    return [TimelineEntry(*row) for row in await reader.execute(_READ, {"event_id": event_id})]
