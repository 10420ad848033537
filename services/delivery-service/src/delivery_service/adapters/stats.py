"""Figures of the deliveries, endpoints and dead letters as a whole."""

from sqlalchemy import text

from chassis.database.database import Database
from delivery_service.domain.attempts import Fault, Verdict
from delivery_service.domain.stats import (
    DeadLetters,
    DeliveriesOfPriority,
    EndpointHealth,
    OpenCircuit,
    RecentAttempts,
)

COUNTED = 100_000
"""The limit up to which deliveries of a priority are counted: a long backlog must not be read whole every second."""
NAMED = 100
"""The number of endpoints with open circuits that are named; they are all counted."""

WINDOW_SECONDS = 300.0
SAMPLE = 10_000
"""Attempts that are looked at: those of the last five minutes, or fewer where there were more than that."""

_DELIVERIES = text("""
SELECT p.priority, d.waiting, d.due, d.in_flight, d.abandoned, d.oldest_seconds
FROM generate_series(0, 3) AS p (priority) CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE lease IS NULL AND due_at > now) AS waiting,
           count(*) FILTER (WHERE lease IS NULL AND due_at <= now) AS due,
           count(*) FILTER (WHERE lease IS NOT NULL AND due_at > now) AS in_flight,
           count(*) FILTER (WHERE lease IS NOT NULL AND due_at <= now) AS abandoned,
           CAST(extract(epoch FROM max(now - due_at) FILTER (WHERE due_at <= now)) AS float8) AS oldest_seconds
    FROM (SELECT lease, due_at, (SELECT clock_timestamp()) AS now FROM deliveries
          WHERE status = 'PENDING' AND priority = p.priority LIMIT :counted) AS pending
) d ORDER BY p.priority
""")
_ENDPOINTS = text("""
SELECT count(*) FILTER (WHERE p.enabled) AS enabled, count(*) FILTER (WHERE NOT p.enabled) AS disabled,
       count(*) FILTER (WHERE p.enabled AND c.state = 'OPEN') AS open,
       count(*) FILTER (WHERE p.enabled AND c.state = 'HALF_OPEN') AS half_open
FROM endpoints p LEFT JOIN circuits c ON c.endpoint_id = p.id
""")
_OPEN_CIRCUITS = text("""
SELECT c.endpoint_id, p.description, c.state, c.failing_since, c.in_row
FROM circuits c JOIN endpoints p ON p.id = c.endpoint_id AND p.enabled
WHERE c.state <> 'CLOSED' ORDER BY c.failing_since NULLS LAST, c.endpoint_id LIMIT :named
""")
_LETTERS = text("""
SELECT coalesce((SELECT jsonb_object_agg(reason, letters) FROM (
           SELECT reason, count(*) AS letters FROM delivery_dead_letters WHERE status = 'OPEN' GROUP BY reason) r
       ), '{}') AS open,
       (SELECT count(*) FROM delivery_dead_letters WHERE created_at > (SELECT almanac_now()) - interval '1 hour') AS new
""")
# The newest by the key, whose first part is in the order of creation: of a busy service the last moments are enough.
_ATTEMPTS = text(f"""
SELECT count(*) AS made, count(*) FILTER (WHERE verdict = '{Verdict.SUCCEEDED}') AS succeeded,
       count(*) FILTER (WHERE error IN ('{Fault.TIMEOUT}', '{Fault.CONNECT_TIMEOUT}')) AS timed_out
FROM (SELECT verdict, error, started_at FROM attempts ORDER BY delivery_id DESC, number DESC LIMIT :sample) AS newest
WHERE started_at > (SELECT clock_timestamp()) - make_interval(secs => :window)
""")


async def count_deliveries(database: Database) -> list[DeliveriesOfPriority]:
    """For each priority, in their order."""
    async with database.read() as connection:
        return [DeliveriesOfPriority(*row) for row in await connection.execute(_DELIVERIES, {"counted": COUNTED})]


async def count_endpoints(database: Database) -> EndpointHealth:
    async with database.read() as connection:
        row = (await connection.execute(_ENDPOINTS)).one()
        troubled = row.open + row.half_open > 0
        found = await connection.execute(_OPEN_CIRCUITS, {"named": NAMED}) if troubled else ()
        circuits = [OpenCircuit(*circuit) for circuit in found]
    return EndpointHealth(row.enabled, row.disabled, row.open, row.half_open, circuits)


async def count_dead_letters(database: Database) -> DeadLetters:
    async with database.read() as connection:
        row = (await connection.execute(_LETTERS)).one()
    return DeadLetters(row.open, row.new)


async def count_attempts(database: Database) -> RecentAttempts:
    async with database.read() as connection:
        row = (await connection.execute(_ATTEMPTS, {"sample": SAMPLE, "window": WINDOW_SECONDS})).one()
    return RecentAttempts(WINDOW_SECONDS, row.made, row.succeeded, row.timed_out)
