"""The events due at given instants, by zone."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from chassis.core.zones import current_name
from chassis.database.database import Reader
from event_service.domain.passages import ZoneCount

# All types are named, and all states but that of what was called off: each instant is a few points of the index.
_COUNT = text(
    "SELECT e.target_timestamp_utc AS instant, e.timezone, count(*) AS total,"
    " count(*) FILTER (WHERE e.status IN ('PENDING', 'PROCESSING')) AS waiting"
    " FROM events e"
    " WHERE e.event_type = ANY(ARRAY['BIRTHDAY', 'ANNIVERSARY', 'REMINDER', 'NOTIFICATION'])"
    " AND e.status = ANY(ARRAY['PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'MISSED'])"
    " AND e.target_timestamp_utc = ANY(CAST(:instants AS timestamptz[]))"
    " GROUP BY 1, 2"
)


async def count(reader: Reader, instants: Collection[datetime]) -> Mapping[datetime, Sequence[ZoneCount]]:
    """Events that have their target exactly then, whatever has become of them, without cancelled ones.

    Those of a zone are counted under its current name.
    """
    sums: Counter[tuple[datetime, str]] = Counter()
    waiting: Counter[tuple[datetime, str]] = Counter()
    for row in await reader.execute(_COUNT, {"instants": list(instants)}):
        zone = (row.instant, current_name(row.timezone))
        sums[zone] += row.total
        waiting[zone] += row.waiting
    found: defaultdict[datetime, list[ZoneCount]] = defaultdict(list)
    for (instant, name), total in sums.items():
        found[instant].append(ZoneCount(name, total, waiting[instant, name]))
    return found
