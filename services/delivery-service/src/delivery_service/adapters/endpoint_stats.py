"""Counting an endpoint's newest deliveries and their attempts."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from delivery_service.adapters import circuits
from delivery_service.adapters.deliveries import ATTEMPT, attempt
from delivery_service.domain.endpoint_stats import SAMPLE, WINDOW_SECONDS, EndpointStats, Latency

# The newest come by the key alone, so that the index on (endpoint_id, id) gives them and no more.
_RECENT = """
WITH newest AS (
    SELECT id, status, created_at FROM deliveries WHERE endpoint_id = :endpoint_id ORDER BY id DESC LIMIT :sample
), recent AS (
    SELECT id, status FROM newest WHERE created_at > (SELECT clock_timestamp()) - make_interval(secs => :window)
)
"""
_COUNT = text(f"""{_RECENT}, made AS (
    SELECT count(*) AS attempts,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY a.duration_seconds) AS latency
    FROM recent r JOIN attempts a ON a.delivery_id = r.id
)
SELECT count(*) AS deliveries, count(*) FILTER (WHERE status = 'PENDING') AS pending,
       count(*) FILTER (WHERE status = 'SUCCEEDED') AS succeeded, count(*) FILTER (WHERE status = 'FAILED') AS failed,
       (SELECT attempts FROM made) AS attempts, (SELECT latency FROM made) AS latency
FROM recent
""")
_LAST_ERROR = text(
    f"{_RECENT} SELECT {ATTEMPT} FROM recent r JOIN attempts a ON a.delivery_id = r.id"
    " WHERE a.verdict <> 'succeeded' ORDER BY a.started_at DESC LIMIT 1"
)


async def count(connection: AsyncConnection, endpoint_id: UUID) -> EndpointStats:
    values = {"endpoint_id": endpoint_id, "sample": SAMPLE, "window": WINDOW_SECONDS}
    row = (await connection.execute(_COUNT, values)).one()
    error = (await connection.execute(_LAST_ERROR, values)).one_or_none()
    return EndpointStats(
        circuit=await circuits.find(connection, endpoint_id),
        deliveries=row.deliveries,
        pending=row.pending,
        succeeded=row.succeeded,
        failed=row.failed,
        attempts=row.attempts,
        latency=Latency(*row.latency) if row.latency else None,
        last_error=attempt(error) if error else None,
    )
