"""Table ``tag_engagement``: the outcomes of the events of users with each tag."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from analytics_service.domain.facts import TagEngagement
from chassis.database.database import Reader, Transaction

# The order of the tags is that of the locks, so that two batches with the same tags cannot deadlock.
_ADD = text(
    "INSERT INTO tag_engagement AS e (tag, delivered, failed, last_at)"
    " SELECT * FROM unnest(CAST(:tags AS text[]), CAST(:delivered AS bigint[]), CAST(:failed AS bigint[]),"
    " CAST(:last_ats AS timestamptz[])) AS t (tag, delivered, failed, last_at) ORDER BY tag"
    " ON CONFLICT (tag) DO UPDATE SET delivered = e.delivered + excluded.delivered,"
    " failed = e.failed + excluded.failed, last_at = greatest(e.last_at, excluded.last_at)"
)
# A row may be gone after a long time.
_SUBTRACT = text(
    "UPDATE tag_engagement e SET delivered = e.delivered - t.delivered, failed = e.failed - t.failed"
    " FROM unnest(CAST(:tags AS text[]), CAST(:delivered AS bigint[]), CAST(:failed AS bigint[]))"
    " AS t (tag, delivered, failed) WHERE e.tag = t.tag"
)
_LIST = text(
    "SELECT id, tag, delivered, failed, last_at FROM tag_engagement"
    " WHERE (last_at, id) < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
    " AND (CAST(:tag AS text) IS NULL OR tag = :tag)"
    " ORDER BY last_at DESC, id DESC LIMIT :limit"
)
SWEEP = text("DELETE FROM tag_engagement WHERE last_at < (SELECT almanac_now()) - make_interval(days => :days)")


async def add(tx: Transaction, engagements: Sequence[TagEngagement]) -> None:
    """Add to the stored counts."""
    await tx.execute(
        _ADD,
        {
            "tags": [each.tag for each in engagements],
            "delivered": [each.delivered for each in engagements],
            "failed": [each.failed for each in engagements],
            "last_ats": [each.last_at for each in engagements],
        },
    )


async def subtract(tx: Transaction, engagements: Sequence[TagEngagement]) -> None:
    """Take back what was added before."""
    await tx.execute(
        _SUBTRACT,
        {
            "tags": [each.tag for each in engagements],
            "delivered": [each.delivered for each in engagements],
            "failed": [each.failed for each in engagements],
        },
    )


async def page(
    reader: Reader, tag: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[UUID, TagEngagement]]:
    """Each with its id, which is its place in the order; whose event ended last comes first."""
    before_at, before_id = before or (None, None)
    values = {"tag": tag, "before_at": before_at, "before_id": before_id, "limit": limit}
    return [(id, TagEngagement(*rest)) for id, *rest in await reader.execute(_LIST, values)]
