"""procrastinate: one worker process, many jobs at once, an open connection pool; jobs are kept after success."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector
from procrastinate.types import JSONDict

from bench import webhook
from bench.peers.worker import IN_FLIGHT, INSERT_BATCH, Drain, Order, main

# More connections gained nothing here: it fetches one job a statement, and one after the other.
POOL = 10


@asynccontextmanager
async def prepare(order: Order) -> AsyncIterator[Drain]:
    """Install the schema and defer the jobs in bulk."""
    app = App(connector=PsycopgConnector(conninfo=order.dsn, min_size=POOL, max_size=POOL))
    async with app.open_async(), webhook.client(IN_FLIGHT) as http:

        @app.task(name="deliver", queue="deliveries")
        async def deliver(webhook_id: str, body: JSONDict) -> None:
            await webhook.post(http, order.url, webhook_id, webhook.encode(body))

        await app.schema_manager.apply_schema_async()
        for start in range(0, order.count, INSERT_BATCH):
            bodies = [webhook.body(index) for index in range(start, min(start + INSERT_BATCH, order.count))]
            jobs: list[JSONDict] = [{"webhook_id": webhook.id_of(body), "body": body} for body in bodies]
            await deliver.batch_defer_async(*jobs)

        async def drain() -> None:
            await app.run_worker_async(
                queues=["deliveries"], concurrency=IN_FLIGHT, wait=False, install_signal_handlers=False
            )

        yield drain


if __name__ == "__main__":
    main(prepare)
