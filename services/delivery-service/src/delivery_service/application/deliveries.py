"""Looking at deliveries."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from delivery_service.adapters import deliveries
from delivery_service.domain.attempts import Attempt
from delivery_service.domain.deliveries import Delivery, Search
from delivery_service.domain.errors import DeliveryNotFoundError


async def search_deliveries(database: Database, wanted: Search, limit: int) -> Sequence[Delivery]:
    """Newest first, at most ``limit``."""
    async with database.read() as connection:
        return await deliveries.search(connection, wanted, limit)


async def find_delivery(database: Database, delivery_id: UUID) -> tuple[Delivery, Sequence[Attempt]]:
    """One delivery with its attempts, oldest first. Raises DeliveryNotFoundError."""
    async with database.read() as connection:
        delivery = await deliveries.find(connection, delivery_id)
        if delivery is None:
            raise DeliveryNotFoundError(f"there is no delivery {delivery_id}")
        return delivery, await deliveries.attempts(connection, delivery_id)
