"""Records results of attempts: the state of the delivery, the attempt itself, and whether its event has ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database.database import Transaction
from chassis.database.statements import load_statements
from delivery_service.domain.deliveries import Result

_SQL = load_statements("delivery_service.adapters", "results")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A result that counted. ``finished`` says that its event has no delivery left to wait for."""

    delivery_id: UUID
    event_id: UUID
    status: str
    reason: str | None
    finished: bool


async def record_results(tx: Transaction, results: Sequence[Result]) -> list[Recorded]:
    """Record results. Those whose lease has passed to another worker are left out of the answer, and change nothing."""
    attempts = [each.attempt for each in results]
    rows = await tx.execute(
        _SQL["record"],
        {
            "ids": [each.dispatch.delivery_id for each in results],
            "leases": [each.dispatch.lease.token for each in results],
            "statuses": [each.status for each in results],
            "reasons": [each.reason for each in results],
            "retry_ins": [each.retry_in for each in results],
            "expiries": [each.dispatch.expires_at for each in results],
            "verdicts": [each and each.verdict for each in attempts],
            "http_statuses": [each and each.http_status for each in attempts],
            "faults": [each and each.fault for each in attempts],
            "headers": [json.dumps(dict(each.headers)) if each and each.headers else None for each in attempts],
            "excerpts": [each and each.excerpt for each in attempts],
            "started": [each and each.started_at for each in attempts],
            "durations": [each and each.duration_seconds for each in attempts],
            "trace_ids": [each and each.trace_id for each in attempts],
            "details": [each and each.detail for each in attempts],
        },
    )
    return [Recorded(row.id, row.event_id, row.status, row.reason, row.finished) for row in rows]
