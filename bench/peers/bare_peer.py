"""No queue at all: aiohttp posts what it has in memory, which is what the others' POSTs alone would cost at least."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp

from bench import webhook
from bench.peers.worker import IN_FLIGHT, Drain, Order, main


@asynccontextmanager
async def prepare(order: Order) -> AsyncIterator[Drain]:
    """Encode the bodies."""
    left = [(webhook.id_of(body), webhook.encode(body)) for body in map(webhook.body, range(order.count))]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def post_some() -> None:
            while left:
                webhook_id, content = left.pop()
                now = datetime.now(UTC)
                headers = {
                    "content-type": "application/json",
                    "webhook-id": webhook_id,
                    "webhook-timestamp": str(int(now.timestamp())),
                    "webhook-signature": webhook.SIGNER.sign(webhook_id, now, content.decode()),
                }
                async with session.post(order.url, data=content, headers=headers) as response:
                    response.raise_for_status()

        async def drain() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(post_some())

        yield drain


if __name__ == "__main__":
    main(prepare)
