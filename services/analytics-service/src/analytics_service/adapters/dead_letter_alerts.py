"""Table ``dead_letter_alerts``: what other services announced as given up."""

from collections.abc import Sequence

from sqlalchemy import text

from analytics_service.domain.facts import Fact
from chassis.database.database import Reader, Transaction

_INSERT = text(
    "INSERT INTO dead_letter_alerts (item_id, at, source, event_id, trace_id, data)"
    " SELECT item_id, at, source, event_id, trace_id, CAST(data AS jsonb)"
    " FROM unnest(CAST(:item_ids AS uuid[]), CAST(:ats AS timestamptz[]), CAST(:sources AS text[]),"
    " CAST(:event_ids AS uuid[]), CAST(:trace_ids AS text[]), CAST(:data AS text[]))"
    " AS t (item_id, at, source, event_id, trace_id, data)"
)
# Their ids are UUIDv7, so of those that were made lately the key alone knows, and in real time.
_ANNOUNCED = text(
    "SELECT coalesce(data->>'reason', 'unknown') AS reason, count(*) AS letters FROM dead_letter_alerts"
    " WHERE item_id >= CAST(lpad(to_hex(CAST(floor(extract(epoch FROM clock_timestamp()"
    "  - make_interval(secs => :seconds)) * 1000) AS bigint)), 12, '0') || repeat('0', 20) AS uuid)"
    " GROUP BY 1 ORDER BY 1"
)
SWEEP = text("DELETE FROM dead_letter_alerts WHERE at < (SELECT almanac_now()) - make_interval(days => :days)")


async def insert(tx: Transaction, facts: Sequence[Fact]) -> None:
    await tx.execute(
        _INSERT,
        {
            "item_ids": [fact.item_id for fact in facts],
            "ats": [fact.at for fact in facts],
            "sources": [fact.source for fact in facts],
            "event_ids": [fact.event_id for fact in facts],
            "trace_ids": [fact.trace_id for fact in facts],
            "data": [fact.data for fact in facts],
        },
    )


async def announced(reader: Reader, seconds: float) -> dict[str, int]:
    """How many were given up within the last seconds (of real time), by reason."""
    return {row.reason: row.letters for row in await reader.execute(_ANNOUNCED, {"seconds": seconds})}
