"""PostgreSQL for benchmarks: a cluster of its own with durability on, as in production."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from local_stack import child, ports
from local_stack.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster, and its postmaster's process id."""

    server: PostgresServer
    pid: int


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A fresh cluster with fsync on, gone at the end with its data."""
    with tempfile.TemporaryDirectory(prefix="almanac-bench-") as folder:
        server = PostgresServer(Path(folder) / "pgdata", ports.free_port())
        process = await asyncio.to_thread(child.start, server)
        try:
            yield Cluster(server, process.pid)
        finally:
            await asyncio.to_thread(process.stop, 30)


async def vacuum(dsn: str) -> None:
    """Bring a database into the state that autovacuum and checkpoints would have it in, given time."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
