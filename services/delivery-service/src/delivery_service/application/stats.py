"""How deliveries, endpoints and dead letters stand as a whole."""

import asyncio

from chassis.database.database import Database
from delivery_service.adapters import stats
from delivery_service.domain.stats import ServiceStats


async def read_stats(database: Database) -> ServiceStats:
    """From the database, so the same whichever process asks."""
    return ServiceStats(
        *await asyncio.gather(
            stats.count_deliveries(database),
            stats.count_endpoints(database),
            stats.count_attempts(database),
            stats.count_dead_letters(database),
        )
    )
