"""Table ``engagement``: the outcomes of each user's events. It knows users by their ids alone."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from analytics_service.domain.facts import Engagement
from chassis.database.database import Reader, Transaction

# The order of the ids is that of the locks, so that two batches with the same users cannot deadlock.
_ADD = text(
    "INSERT INTO engagement AS e (user_id, delivered, failed, last_at)"
    " SELECT * FROM unnest(CAST(:user_ids AS uuid[]), CAST(:delivered AS bigint[]), CAST(:failed AS bigint[]),"
    " CAST(:last_ats AS timestamptz[])) AS t (user_id, delivered, failed, last_at)"
    # The end of an event that was on its way when its user was deleted brings the user back otherwise.
    " WHERE NOT EXISTS (SELECT FROM erasures g WHERE g.user_id = t.user_id) ORDER BY user_id"
    " ON CONFLICT (user_id) DO UPDATE SET delivered = e.delivered + excluded.delivered,"
    " failed = e.failed + excluded.failed, last_at = greatest(e.last_at, excluded.last_at)"
)
# A row may be gone, with its user or after a long time.
_SUBTRACT = text(
    "UPDATE engagement e SET delivered = e.delivered - t.delivered, failed = e.failed - t.failed"
    " FROM unnest(CAST(:user_ids AS uuid[]), CAST(:delivered AS bigint[]), CAST(:failed AS bigint[]))"
    " AS t (user_id, delivered, failed) WHERE e.user_id = t.user_id"
)
_FORGET = text("DELETE FROM engagement WHERE user_id = ANY(CAST(:user_ids AS uuid[]))")
_FIND = text("SELECT user_id, delivered, failed, last_at FROM engagement WHERE user_id = :user_id")
_LIST = text(
    "SELECT user_id, delivered, failed, last_at FROM engagement"
    " WHERE (last_at, user_id) < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " ORDER BY last_at DESC, user_id DESC LIMIT :limit"
)
SWEEP = text("DELETE FROM engagement WHERE last_at < (SELECT almanac_now()) - make_interval(days => :days)")


async def add(tx: Transaction, engagements: Sequence[Engagement]) -> None:
    """Add to the stored counts, except for deleted users. They are in order of their users' ids."""
    await tx.execute(
        _ADD,
        {
            "user_ids": [each.user_id for each in engagements],
            "delivered": [each.delivered for each in engagements],
            "failed": [each.failed for each in engagements],
            "last_ats": [each.last_at for each in engagements],
        },
    )


async def subtract(tx: Transaction, engagements: Sequence[Engagement]) -> None:
    """Take back what was added before."""
    await tx.execute(
        _SUBTRACT,
        {
            "user_ids": [each.user_id for each in engagements],
            "delivered": [each.delivered for each in engagements],
            "failed": [each.failed for each in engagements],
        },
    )


async def forget(tx: Transaction, user_ids: Collection[UUID]) -> None:
    await tx.execute(_FORGET, {"user_ids": sorted(user_ids)})


async def find(reader: Reader, user_id: UUID) -> Engagement | None:
    row = (await reader.execute(_FIND, {"user_id": user_id})).one_or_none()
    return None if row is None else Engagement(*row)


async def page(reader: Reader, before: tuple[datetime, UUID] | None, limit: int) -> list[Engagement]:
    """Whose event ended last comes first."""
    before_at, before_id = before or (None, None)
    rows = await reader.execute(_LIST, {"before_at": before_at, "before_id": before_id, "limit": limit})
    return [Engagement(*row) for row in rows]
