"""Deletes what is past its retention, by the (maybe simulated) clock that facts are dated by."""

from analytics_service.adapters import dead_letter_alerts, rollups, timelines
from chassis.database import Database

CHUNK_ROWS = 10_000
"""Rows of the timeline that one transaction deletes at most."""


async def sweep(database: Database, *, rollup_days: int, timeline_days: int) -> bool:
    """One round. True where there may be more to delete."""
    rollup_sweeps = [(statement, rollup_days) for statement in rollups.SWEEPS]
    for statement, days in (*rollup_sweeps, (dead_letter_alerts.SWEEP, timeline_days)):
        async with database.transaction() as tx:
            await tx.execute(statement, {"days": days})
    async with database.transaction() as tx:
        deleted = await tx.execute(timelines.SWEEP, {"days": timeline_days, "limit": CHUNK_ROWS})
    return deleted.rowcount == CHUNK_ROWS
