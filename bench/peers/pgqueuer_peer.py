"""pgqueuer: one worker process on asyncpg's pool, with its own autovacuum settings, as its tuning guide advises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from pgqueuer import Job, PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode

from bench import webhook
from bench.peers.worker import IN_FLIGHT, INSERT_BATCH, Drain, Order, main

POOL = 10
# Its default. Its guide advises larger ones, which were no faster in single runs here; a cap on tasks makes it poll.
BATCH = 10


@asynccontextmanager
async def prepare(order: Order) -> AsyncIterator[Drain]:
    """Install the schema and enqueue the jobs in bulk."""
    async with asyncpg.create_pool(order.dsn, min_size=POOL, max_size=POOL) as pool, webhook.client(IN_FLIGHT) as http:
        pgq = PgQueuer.from_asyncpg_pool(pool)
        queries = Queries(pgq.connection)
        await queries.install()
        await queries.optimize_autovacuum()

        @pgq.entrypoint("deliver")
        async def deliver(job: Job) -> None:
            assert job.payload is not None and job.headers is not None
            await webhook.post(http, order.url, str(job.headers["webhook-id"]), job.payload)

        for start in range(0, order.count, INSERT_BATCH):
            bodies = [webhook.body(index) for index in range(start, min(start + INSERT_BATCH, order.count))]
            await queries.enqueue(
                ["deliver"] * len(bodies),
                [webhook.encode(body) for body in bodies],
                [0] * len(bodies),
                headers=[{"webhook-id": webhook.id_of(body)} for body in bodies],
            )

        async def drain() -> None:
            await pgq.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=1), mode=QueueExecutionMode.drain)

        yield drain


if __name__ == "__main__":
    main(prepare)
