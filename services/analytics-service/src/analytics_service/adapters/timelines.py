"""Table ``event_timeline``."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from analytics_service.domain.facts import Fact
from analytics_service.domain.replacements import ENDS
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
_ENTER = text("SELECT pg_advisory_xact_lock(hashtext('ends of events'))")
_ENDS = text(
    "SELECT event_id, at, kind, source, trace_id, item_id, data FROM event_timeline"
    " WHERE event_id = ANY(CAST(:event_ids AS uuid[])) AND kind = ANY(CAST(:kinds AS text[]))"
    " AND item_id <> ALL(CAST(:item_ids AS uuid[]))"
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


async def earlier_ends(tx: Transaction, ends: Sequence[Fact]) -> list[tuple[UUID, TimelineEntry]]:
    """The ends of the same events that are known beside ``ends``, each with its event.

    From here to its commit a transaction is alone, so that of two ends that arrive at once the second knows the first.
    Batches wait for each other here as they do for the rows of the rollups in any case.
    """
    await tx.execute(_ENTER)
    rows = await tx.execute(
        _ENDS,
        {
            "event_ids": [fact.event_id for fact in ends],
            "kinds": list(ENDS),
            "item_ids": [fact.item_id for fact in ends],
        },
    )
    return [(event_id, TimelineEntry(*entry)) for event_id, *entry in rows]


async def read(reader: Reader, event_id: UUID) -> list[TimelineEntry]:
    """Oldest first."""
    return [TimelineEntry(*row) for row in await reader.execute(_READ, {"event_id": event_id})]
