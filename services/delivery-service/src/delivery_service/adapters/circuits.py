"""The table ``circuits``: what all workers know about the health of an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Transaction
from delivery_service.domain.circuits import Circuit, CircuitPolicy, CircuitState, Tally

# An endpoint that is well costs one look. The rows are locked in one order, endpoints before circuits, so that two
# recorders cannot deadlock; what is locked is read as it is by then, and an endpoint keeps its version until the end.
# A closed circuit counts the attempts of its own generation, a half-open one its probe alone, an open one nothing. An
# endpoint that refuses its probe has answered, and is well. A probe that says nothing, or was made with an endpoint's
# earlier version, is returned: the circuit is open, and the next probe is due now. A pause that a receiver asks for
# opens its circuit, or holds it open for longer, whenever the attempt began; that is no fault, and does not count as
# opened.
_COUNT = text("""
WITH n AS (SELECT clock_timestamp() AS now), told AS (
    SELECT t.*, c.endpoint_id IS NULL AS new, coalesce(t.version = p.version, true) AS current, c.state AS seen_state,
           c.in_row AS seen_in_row, c.failing_since AS seen_failing_since
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:generations AS integer[]), CAST(:probes AS uuid[]),
        CAST(:attempts AS float8[]), CAST(:failures AS integer[]), CAST(:succeeded AS boolean[]),
        CAST(:trailing AS integer[]), CAST(:pauses AS float8[]), CAST(:timeouts AS integer[]),
        CAST(:all_timeouts AS boolean[]), CAST(:lost AS float8[]), CAST(:all_failures AS boolean[])
    ) WITH ORDINALITY AS t (endpoint_id, version, generation, probe, made, failed, succeeded, unbroken, pause,
                            timed_out, all_timed_out, lost, all_failed, position)
    JOIN endpoints p ON p.id = t.endpoint_id AND p.enabled
    LEFT JOIN circuits c ON c.endpoint_id = t.endpoint_id
    WHERE t.unbroken > 0 OR t.failed > 0 OR c.in_row > 0 OR c.state <> 'CLOSED'
    ORDER BY p.id FOR NO KEY UPDATE OF p
), locked AS (
    SELECT c.*, t.position, t.made, t.failed, t.succeeded, t.unbroken, t.pause, t.timed_out, t.all_timed_out, t.lost,
           t.all_failed, t.probe IS NOT NULL AND (t.made = 0 OR NOT t.current) AS returned
    FROM circuits c JOIN told t ON t.endpoint_id = c.endpoint_id
    WHERE c.state = 'CLOSED' AND t.probe IS NULL AND t.generation = c.generation AND t.current
       OR c.state = 'HALF_OPEN' AND t.probe = c.probe
       OR c.state = 'OPEN' AND t.pause > 0 AND t.current
    ORDER BY c.endpoint_id FOR UPDATE OF c
), summed AS (
    SELECT DISTINCT ON (l.endpoint_id)
           l.position, l.endpoint_id, l.state, l.generation, l.in_row, l.failing_since, l.warned_at, l.trips,
           l.probe_at, l.failed, l.succeeded, l.unbroken, l.pause, l.returned,
           l.state <> 'OPEN' AND NOT l.returned AS counts,
           l.attempts * d.decay + l.made AS attempts, l.failures * d.decay + l.failed AS failures,
           CASE WHEN l.all_timed_out THEN l.timeouts_in_row ELSE 0 END + l.timed_out AS timeouts_in_row,
           CASE WHEN l.all_failed THEN l.lost_seconds ELSE 0 END + l.lost AS lost_seconds
    FROM locked l CROSS JOIN n CROSS JOIN LATERAL (
        SELECT power(
            0.5, least(greatest(extract(epoch FROM n.now - l.counted_at), 0) / CAST(:half_life AS float8), 100)
        ) AS decay
    ) d ORDER BY l.endpoint_id, l.pause DESC
), decided AS (
    SELECT s.*, t.opened, CASE
        WHEN t.opened OR returned OR state = 'CLOSED' AND pause > 0 THEN 'OPEN'
        WHEN state = 'HALF_OPEN' THEN 'CLOSED'
        ELSE state END AS next
    FROM (
        SELECT * FROM summed UNION ALL
        SELECT position, endpoint_id, 'CLOSED', 0, 0, NULL, NULL, 0, NULL, failed, succeeded, unbroken, pause, false,
               true, made, failed, timed_out, lost
        FROM told WHERE new AND probe IS NULL AND generation = 0 AND current
    ) s CROSS JOIN LATERAL (
        SELECT counts AND (
            state = 'HALF_OPEN' AND failed > 0
            OR state = 'CLOSED' AND failed > 0 AND (
                attempts >= CAST(:min_attempts AS float8) AND failures >= CAST(:failure_rate AS float8) * attempts
                OR timeouts_in_row >= :max_timeouts OR lost_seconds >= CAST(:max_lost AS float8)
            )
        ) AS opened
    ) t
), becoming AS (
    SELECT d.position, d.endpoint_id, next, n.now AS counted_at, opened, counts,
           CASE WHEN (next = 'CLOSED') = (state = 'CLOSED') THEN generation ELSE generation + 1 END AS generation,
           CASE WHEN next = 'CLOSED' AND state <> 'CLOSED' THEN 0 ELSE attempts END AS attempts,
           CASE WHEN next = 'CLOSED' AND state <> 'CLOSED' THEN 0 ELSE failures END AS failures,
           CASE WHEN next = 'CLOSED' AND state = 'CLOSED' THEN timeouts_in_row ELSE 0 END AS timeouts_in_row,
           CASE WHEN next = 'CLOSED' AND state = 'CLOSED' THEN lost_seconds ELSE 0 END AS lost_seconds,
           CASE WHEN NOT counts THEN in_row WHEN succeeded THEN unbroken ELSE in_row + unbroken END AS in_row,
           CASE WHEN NOT counts OR unbroken = 0 AND NOT succeeded THEN failing_since
                WHEN unbroken = 0 THEN NULL WHEN succeeded THEN n.now
                ELSE coalesce(failing_since, n.now) END AS failing_since,
           CASE WHEN NOT counts OR NOT succeeded THEN warned_at END AS warned_at,
           CASE WHEN next = 'CLOSED' THEN 0 WHEN opened THEN trips + 1 ELSE trips END AS trips,
           CASE WHEN next = 'OPEN' THEN greatest(
               CASE WHEN state = 'OPEN' THEN probe_at WHEN opened THEN n.now + make_interval(
                   secs => least(CAST(:open_cap AS float8), CAST(:open_seconds AS float8) * power(2, least(trips, 30))))
               END, n.now + make_interval(secs => pause)) END AS probe_at
    FROM decided d CROSS JOIN n
), added AS (
    INSERT INTO circuits (endpoint_id, state, generation, attempts, failures, counted_at, in_row, failing_since, trips,
                          probe_at, timeouts_in_row, lost_seconds)
    SELECT b.endpoint_id, b.next, b.generation, b.attempts, b.failures, b.counted_at, b.in_row, b.failing_since,
           b.trips, b.probe_at, b.timeouts_in_row, b.lost_seconds
    FROM becoming b JOIN told t ON t.position = b.position WHERE t.new ORDER BY b.endpoint_id
    ON CONFLICT (endpoint_id) DO NOTHING
), changed AS (
    UPDATE circuits c
    SET state = b.next, generation = b.generation, attempts = b.attempts, failures = b.failures,
        counted_at = b.counted_at, in_row = b.in_row, failing_since = b.failing_since, warned_at = b.warned_at,
        trips = b.trips, probe_at = b.probe_at, probe = NULL, timeouts_in_row = b.timeouts_in_row,
        lost_seconds = b.lost_seconds
    FROM becoming b JOIN told t ON t.position = b.position WHERE c.endpoint_id = b.endpoint_id AND NOT t.new
)
SELECT t.position, t.current, b.counts IS TRUE AS counts, coalesce(b.next, t.seen_state, 'CLOSED') AS state,
       b.opened IS TRUE AS opened, coalesce(b.in_row, t.seen_in_row, 0) AS in_row,
       CAST(coalesce(
           extract(epoch FROM n.now - CASE WHEN b.position IS NULL THEN t.seen_failing_since ELSE b.failing_since END),
           0
       ) AS float8) AS failing_seconds,
       CAST(extract(epoch FROM n.now - b.warned_at) AS float8) AS warned_seconds
FROM told t CROSS JOIN n LEFT JOIN becoming b ON b.position = t.position
""")
_FIND = text("SELECT state, in_row, failing_since, probe_at FROM circuits WHERE endpoint_id = :id")
_FORGET = text("DELETE FROM circuits WHERE endpoint_id = :id")
_DISABLE = text("""
UPDATE endpoints SET enabled = false, disabled_reason = :reason, disabled_at = c.now, updated_at = c.now,
                     version = version + 1
FROM (SELECT almanac_now() AS now) c WHERE id = :id AND enabled
RETURNING kind, disabled_at
""")
_WARN = text("""
UPDATE circuits SET warned_at = clock_timestamp() WHERE endpoint_id = :id
RETURNING almanac_now() AS now, failing_since, warned_at + make_interval(secs => :seconds) AS not_before
""")


@dataclass(frozen=True, slots=True)
class Counted:
    """How an endpoint stands that is not well, or was not, after one of its tallies.

    Attributes:
        counts: whether the tally counted. It does not where it is of an earlier generation of the circuit, or of an
            earlier version of the endpoint: then ``current`` is False.
        opened: the endpoint failed too often, or failed its probe. A circuit is also open for a pause that was asked
            for.
        failing_seconds: for how long all attempts have failed.
        warned_seconds: how long ago its owner was warned that it will be disabled; None where that was not done.
    """

    tally: Tally
    state: CircuitState
    opened: bool
    in_row: int
    failing_seconds: float
    counts: bool = True
    current: bool = True
    warned_seconds: float | None = None
    disabled: bool = False

    @property
    def endpoint_id(self) -> UUID:
        return self.tally.endpoint_id

    @property
    def closed_to_all(self) -> bool:
        """Whether nothing is to be sent there for now, or at all."""
        return self.disabled or self.state is not CircuitState.CLOSED


@dataclass(frozen=True, slots=True)
class Warned:
    """When a warning was sent, in Almanac's time; since when all attempts failed, and the first instant at which the
    endpoint may be disabled, in real time.
    """

    at: datetime
    failing_since: datetime | None
    not_before: datetime


async def count(tx: Transaction, tallies: Sequence[Tally], policy: CircuitPolicy) -> list[Counted]:
    """Add tallies to the stored counts, and open or close circuits. Endpoints that are well are left out."""
    rows = await tx.execute(
        _COUNT,
        {
            "ids": [each.endpoint_id for each in tallies],
            "versions": [each.version for each in tallies],
            "generations": [each.generation for each in tallies],
            "probes": [each.probe for each in tallies],
            "attempts": [each.attempts for each in tallies],
            "failures": [each.failures for each in tallies],
            "succeeded": [each.succeeded for each in tallies],
            "trailing": [each.trailing for each in tallies],
            "pauses": [each.pause_seconds for each in tallies],
            "timeouts": [each.timeouts for each in tallies],
            "all_timeouts": [each.all_timeouts for each in tallies],
            "lost": [each.lost_seconds for each in tallies],
            "all_failures": [each.all_failures for each in tallies],
            "half_life": policy.half_life_seconds,
            "min_attempts": float(policy.min_attempts),
            "failure_rate": policy.failure_rate,
            "max_timeouts": policy.timeouts_in_row,
            "max_lost": policy.lost_seconds,
            "open_seconds": policy.open_seconds,
            "open_cap": policy.open_cap_seconds,
        },
    )
    return [
        Counted(
            tallies[row.position - 1],
            CircuitState(row.state),
            row.opened,
            row.in_row,
            row.failing_seconds,
            row.counts,
            row.current,
            row.warned_seconds,
        )
        for row in rows
    ]


async def find(connection: AsyncConnection, endpoint_id: UUID) -> Circuit:
    """How an endpoint stands; one that never failed has no row, and is well."""
    row = (await connection.execute(_FIND, {"id": endpoint_id})).one_or_none()
    return Circuit(CircuitState(row.state), row.in_row, row.failing_since, row.probe_at) if row else Circuit()


async def forget(tx: Transaction, endpoint_id: UUID) -> None:
    """Give an endpoint a clean slate: its address has changed, or an operator has repaired it. Its row is locked."""
    await tx.execute(_FORGET, {"id": endpoint_id})


async def disable(tx: Transaction, endpoint_id: UUID, reason: str) -> tuple[str, datetime] | None:
    """Switch an endpoint off, with a clean slate for when it is switched on again.

    Returns its kind and the instant, None where it had been switched off or deleted before.
    """
    row = (await tx.execute(_DISABLE, {"id": endpoint_id, "reason": reason})).one_or_none()
    if row is None:
        return None
    await tx.execute(_FORGET, {"id": endpoint_id})
    return row.kind, row.disabled_at


async def warn(tx: Transaction, endpoint_id: UUID, seconds: float) -> Warned:
    """Remember that the owner of a failing endpoint is warned now, ``seconds`` before it may be disabled."""
    row = (await tx.execute(_WARN, {"id": endpoint_id, "seconds": seconds})).one()
    return Warned(row.now, row.failing_since, row.not_before)
