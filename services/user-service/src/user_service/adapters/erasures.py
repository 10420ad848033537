"""The table ``erasure_reports``, beside the chassis' ``erasures``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from chassis.database.database import Reader, Transaction
from user_service.domain.erasure import Report

# A report without its erasure is of a user deleted by an older version: there is no client to show it to.
_REPORT = text("""
INSERT INTO erasure_reports (user_id, service, erased_at)
SELECT r.* FROM unnest(
    CAST(:user_ids AS uuid[]), CAST(:services AS text[]), CAST(:instants AS timestamptz[])
) AS r (user_id, service, at)
WHERE EXISTS (SELECT FROM erasures e WHERE e.user_id = r.user_id)
ON CONFLICT (user_id, service) DO NOTHING
""")
_FIND = text(
    "SELECT e.requested_at, r.service, r.erased_at FROM erasures e LEFT JOIN erasure_reports r ON r.user_id = e.user_id"
    " WHERE e.user_id = :user_id"
)


async def report(tx: Transaction, reports: Sequence[Report]) -> None:
    """Store reports; the first of a service and user counts."""
    if reports:
        await tx.execute(
            _REPORT,
            {
                "user_ids": [each.user_id for each in reports],
                "services": [each.service for each in reports],
                "instants": [each.erased_at for each in reports],
            },
        )


async def find(reader: Reader, user_id: UUID) -> tuple[datetime, Mapping[str, datetime]] | None:
    """When the erasure was requested, and the instant at which each service that has reported was done."""
    rows = (await reader.execute(_FIND, {"user_id": user_id})).all()
    if not rows:
        return None
    return rows[0].requested_at, {row.service: row.erased_at for row in rows if row.service is not None}
