"""Takes deliveries that wait out of the workers' reach, to end them, or makes them due now."""

from uuid import UUID

from chassis.database.database import Transaction
from chassis.database.statements import load_statements
from contracts.vocabulary import FailureReason, Priority
from delivery_service.adapters.claims import to_dispatch
from delivery_service.adapters.endpoints import ended_by
from delivery_service.domain.deliveries import Dispatch, Lease

_SQL = load_statements("delivery_service.adapters", "withdrawals")


async def retry_now(tx: Transaction, delivery_id: UUID) -> bool | None:
    """Make a delivery that waits due now. False where its endpoint takes nothing, None where it does not wait."""
    enabled: bool | None = (await tx.execute(_SQL["retry_now"], {"id": delivery_id})).scalar_one_or_none()
    return enabled


async def lease_one(tx: Transaction, delivery_id: UUID, lease: Lease) -> Dispatch | None:
    """Claim a waiting delivery to cancel it, so that no worker sends it. None where it does not wait."""
    values = {"id": delivery_id, "lease": lease.token, "lease_seconds": lease.seconds}
    row = (await tx.execute(_SQL["lease_one"], values)).one_or_none()
    if row is None:
        return None
    return to_dispatch(row, lease, FailureReason.CANCELLED)


async def lease_ended(
    tx: Transaction, endpoint_id: UUID, limit: int, lease: Lease
) -> list[tuple[Dispatch, FailureReason]]:
    """Take up to ``limit`` deliveries that wait for an endpoint that is disabled or deleted, each with how it ends."""
    values = {
        "endpoint_id": endpoint_id,
        "priorities": list(Priority),
        "limit": limit,
        "lease": lease.token,
        "lease_seconds": lease.seconds,
    }
    ends = [(row, ended_by(found=row.found)) for row in await tx.execute(_SQL["lease_ended"], values)]
    return [(to_dispatch(row, lease, reason), reason) for row, reason in ends]
