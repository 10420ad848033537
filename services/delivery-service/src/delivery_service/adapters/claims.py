"""Claims and releases deliveries by leases with a fencing token (docs/architecture.md#reliability-rules)."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from chassis.database.database import Transaction
from chassis.database.statements import load_statements
from contracts.vocabulary import FailureReason
from delivery_service.adapters.endpoints import ended_by, target
from delivery_service.domain.deliveries import Dispatch, Lease, Target

_SQL = load_statements("delivery_service.adapters", "claims")
PROBE_SECONDS = 60.0
"""After that a probe counts as lost, with the worker that made it, and another may be made."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries claimed, and how many ``by_endpoint``.

    ``abandoned`` counts those whose earlier lease had ended without a recorded attempt. ``abandoned_again`` are those
    to which that happened at least twice in a row.
    """

    dispatches: list[Dispatch]
    by_endpoint: Mapping[UUID, int]
    abandoned: int
    abandoned_again: list[UUID]


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many more deliveries of an endpoint a worker can take; ``default`` of those that are not named."""

    of: Mapping[UUID, int]
    default: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An endpoint with something pending, the first of it due in ``due_in`` seconds (negative: waiting since).

    ``open_in``: seconds until its circuit or its rate limit lets something through, None where they always do.
    """

    endpoint_id: UUID
    due_in: float
    open_in: float | None


async def claim(
    tx: Transaction,
    priority: int,
    limit: int,
    lease: Lease,
    capacity: Capacity,
    endpoint_ids: Collection[UUID] | None = None,
) -> Claimed:
    """Take up to ``limit`` deliveries of a priority that are due: new ones, retries, and expired leases.

    Of each endpoint as many as there is room for, its rate limit allows and its circuit lets through. With
    ``endpoint_ids`` of these alone, without a look at every endpoint that has something pending.
    """
    parameters = {
        "priority": priority,
        "limit": limit,
        "lease": lease.token,
        "lease_seconds": lease.seconds,
        "rooms_of": list(capacity.of),
        "rooms": list(capacity.of.values()),
        "default_room": capacity.default,
        "probe_seconds": PROBE_SECONDS,
        "endpoint_ids": None if endpoint_ids is None else list(endpoint_ids),
    }
    rows = await tx.execute(_SQL["claim"], parameters)
    claimed: list[Dispatch] = []
    by_endpoint: Counter[UUID] = Counter()
    abandoned = 0
    abandoned_again: list[UUID] = []
    targets: dict[UUID, Target] = {}
    for row in rows:
        # By position: looked up by name, the values would cost a claim half as much CPU again.
        values: Sequence[Any] = row
        id, event_id, endpoint_id, tries, lost, operational, due, expires_at, traceparent = values[:9]
        lost_again, late, enabled, generation, failing, probe = values[9:15]
        by_endpoint[endpoint_id] += 1
        abandoned += lost
        if lost_again:
            abandoned_again.append(id)
        where: Target | FailureReason
        if late:
            where = FailureReason.EXPIRED
        elif not enabled:
            where = ended_by(found=enabled is not None)
        else:
            where = targets.get(endpoint_id) or targets.setdefault(endpoint_id, target(row))
        claimed.append(
            Dispatch(
                id, event_id, lease, tries, due, expires_at, traceparent, where, operational,
                generation, failing, endpoint_id if probe else None,
            )
        )  # fmt: skip
    return Claimed(claimed, by_endpoint, abandoned, abandoned_again)


async def queues(tx: Transaction, priority: int) -> list[Waiting]:
    """The endpoints with something pending of a priority."""
    rows = await tx.execute(_SQL["waiting"], {"priority": priority})
    return [Waiting(row.endpoint_id, row.due_in, row.open_in) for row in rows]


async def expired(
    tx: Transaction, priority: int, endpoint_ids: Collection[UUID], limit: int, lease: Lease
) -> list[Dispatch]:
    """Claim the expired deliveries that wait for these endpoints."""
    rows = await tx.execute(
        _SQL["claim_expired"],
        {
            "priority": priority,
            "endpoint_ids": list(endpoint_ids),
            "limit": limit,
            "lease": lease.token,
            "lease_seconds": lease.seconds,
        },
    )
    return [to_dispatch(row, lease, FailureReason.EXPIRED) for row in rows]


async def release(tx: Transaction, dispatches: Sequence[Dispatch]) -> None:
    """Release deliveries that were not begun, so that any worker can claim them at once."""
    await tx.execute(
        _SQL["release"],
        {
            "ids": [each.delivery_id for each in dispatches],
            "leases": [each.lease.token for each in dispatches],
        },
    )


def to_dispatch(row: Row[Any], lease: Lease, where: FailureReason) -> Dispatch:
    """A delivery that is taken to be ended, and not to be sent."""
    return Dispatch(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        lease=lease,
        tries=row.tries,
        due=row.due,
        expires_at=row.expires_at,
        traceparent=row.traceparent,
        target=where,
    )
