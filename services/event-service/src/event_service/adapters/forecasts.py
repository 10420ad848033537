"""Pending events, counted from their index alone."""

from datetime import datetime

from sqlalchemy import text

from chassis.database.database import Reader
from event_service.domain.forecast import Forecast, HourForecast

# All priorities are named, so that each is one range of the index. Any other column, wanted or in a condition, would
# send each row's look-up to the table.
_COUNT = text(
    "SELECT e.priority, CASE WHEN e.target_timestamp_utc >= CAST(:since AS timestamptz)"
    " THEN date_bin('1 hour', e.target_timestamp_utc, '2000-01-01T00:00Z') END AS hour, count(*) AS waiting"
    " FROM events e WHERE e.status = 'PENDING' AND e.priority = ANY(ARRAY[0, 1, 2, 3])"
    " AND e.target_timestamp_utc < CAST(:until AS timestamptz)"
    " GROUP BY 1, 2 ORDER BY 2, 1"
)
# Of an index that holds those alone which wait for their send windows.
_MOVED = text(
    "SELECT date_bin('1 hour', e.target_timestamp_utc, '2000-01-01T00:00Z') AS hour, count(*) AS moved FROM events e"
    " WHERE e.status = 'PENDING' AND e.planned_at IS NOT NULL AND e.target_timestamp_utc >= CAST(:since AS timestamptz)"
    " AND e.target_timestamp_utc < CAST(:until AS timestamptz) GROUP BY 1"
)


async def read(reader: Reader, since: datetime, until: datetime) -> Forecast:
    overdue: dict[int, int] = {}
    hours: dict[datetime, dict[int, int]] = {}
    for row in await reader.execute(_COUNT, {"since": since, "until": until}):
        counts = overdue if row.hour is None else hours.setdefault(row.hour, {})
        counts[row.priority] = row.waiting
    moved = {row.hour: row.moved for row in await reader.execute(_MOVED, {"since": since, "until": until})}
    return Forecast(
        since, until, overdue, [HourForecast(hour, counts, moved.get(hour, 0)) for hour, counts in hours.items()]
    )
