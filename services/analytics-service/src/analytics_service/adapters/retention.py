"""Deletes rows past their retention, by the (possibly simulated) clock that facts are dated by."""

from analytics_service.adapters import alerts, dead_letter_alerts, engagement, rollups, tag_engagement, timelines
from analytics_service.domain.grains import Grain
from chassis.database.database import Database

CHUNK_ROWS = 10_000
"""Rows of the timeline that one transaction deletes at most."""


async def sweep(database: Database, *, rollup_days: dict[Grain, int], timeline_days: int) -> bool:
    """One round. True where there may be more to delete."""
    kept = {"days": timeline_days}
    for statement, values in (
        *rollups.retention(rollup_days),
        (dead_letter_alerts.SWEEP, kept),
        (engagement.SWEEP, kept),
        (tag_engagement.SWEEP, kept),
        *((statement, kept) for statement in alerts.SWEEPS),
    ):
        async with database.transaction() as tx:
            await tx.execute(statement, values)
    async with database.transaction() as tx:
        deleted = await tx.execute(timelines.SWEEP, {"days": timeline_days, "limit": CHUNK_ROWS})
    return deleted.rowcount == CHUNK_ROWS
