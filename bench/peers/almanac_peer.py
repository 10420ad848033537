"""Delivery-service's own worker as a peer of the job queues: a pool with one priority, and rows that are due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.delivery.worker import add_due, add_endpoint, all_recorded, running_pool, service_database
from bench.peers.worker import IN_FLIGHT, INSERT_BATCH, Drain, Order, main
from chassis.core.gc_tuning import collect_rarely
from contracts.vocabulary import Priority

# One endpoint may hold half the slots.
SLOTS = 2 * IN_FLIGHT


@asynccontextmanager
async def prepare(order: Order) -> AsyncIterator[Drain]:
    """Migrate, and insert events with their deliveries."""
    async with service_database(order.dsn) as database:
        await add_endpoint(database, order.url)
        for start in range(0, order.count, INSERT_BATCH):
            await add_due(database, range(start, min(start + INSERT_BATCH, order.count)), Priority.CRITICAL)

        async def drain() -> None:
            collect_rarely()  # as the service does before it works
            async with running_pool(database, Priority.CRITICAL, slots=SLOTS):
                await all_recorded(database, Priority.CRITICAL)

        yield drain


if __name__ == "__main__":
    main(prepare)
