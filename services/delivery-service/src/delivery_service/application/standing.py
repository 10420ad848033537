"""How deliveries, endpoints and dead letters stand as a whole."""

import asyncio

from chassis.database.database import Database
from delivery_service.adapters import standing
from delivery_service.domain.standing import Standing


async def read_standing(database: Database) -> Standing:
    """From the database, so the same whichever process asks."""
    return Standing(
        *await asyncio.gather(
            standing.count_deliveries(database),
            standing.count_endpoints(database),
            standing.count_attempts(database),
            standing.count_letters(database),
        )
    )
