"""The parent side of the peers: one after the other on one cluster and one sink, and what each reached."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.measure import CpuMeter, report
from bench.postgres import Cluster, vacuum
from bench.sink import Sink

NAMES = ("procrastinate", "pgqueuer")
# Far above the slowest peer's time a job, so only a peer that hangs meets it.
SECONDS_PER_JOB = 0.05
TIMEOUT_FLOOR = 60.0


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What one peer reached: seconds from start to last receipt, CPU seconds until all was recorded."""

    name: str
    jobs: int
    seconds: float
    worker_cpu: float
    postgres_cpu: float
    sink_cpu: float

    @property
    def jobs_per_second(self) -> float:
        """Webhooks a second, from the start of the worker to the receipt of the last."""
        return self.jobs / self.seconds

    def cpu_ms_per_job(self, seconds: float) -> float:
        """Milliseconds of CPU for each job."""
        return 1000 * seconds / self.jobs


async def run_peers(jobs: int, cluster: Cluster, sink: Sink, names: Sequence[str] = NAMES) -> list[PeerResult]:
    """Run each of the named peers over `jobs` jobs, in turn.

    Raises TimeoutError if a peer does not finish, RuntimeError if it fails or sends a webhook twice.
    """
    return [await run_peer(name, jobs, cluster, sink) for name in names]


async def run_peer(name: str, jobs: int, cluster: Cluster, sink: Sink) -> PeerResult:
    """Run one peer (see `run_peers`)."""
    timeout = TIMEOUT_FLOOR + SECONDS_PER_JOB * jobs
    await sink.reset()
    async with asyncio.timeout(2 * timeout), _worker(name, jobs, cluster, sink) as worker:
        meter = CpuMeter({"postgres": cluster.pid, "sink": sink.pid})
        await worker.start()
        seen = await sink.wait_for(jobs, timeout)
        done = await worker.done()
        cpu = meter.spent()
    received = await sink.stats()
    if received.duplicates or seen.last_at is None:
        raise RuntimeError(f"{name} sent {received.received} webhooks for {jobs} jobs")
    return PeerResult(name, jobs, seen.last_at - done["startedAt"], done["cpuSeconds"], cpu["postgres"], cpu["sink"])


def show_peers(results: Iterable[PeerResult]) -> None:
    """Print the peers' table."""
    report(
        "peers: the same webhooks to the same sink",
        ("queue", "jobs", "seconds", "jobs/s", "worker CPU ms/job", "PostgreSQL CPU ms/job", "sink CPU ms/job"),
        (
            (
                result.name,
                result.jobs,
                result.seconds,
                result.jobs_per_second,
                *map(result.cpu_ms_per_job, (result.worker_cpu, result.postgres_cpu, result.sink_cpu)),
            )
            for result in results
        ),
    )


class _Worker:
    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._name, self._process = name, process
        self._stdin, self._stdout = process.stdin, process.stdout

    async def line(self) -> str:
        line = await self._stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {await self._process.wait()}")
        return line.decode().strip()

    async def start(self) -> None:
        self._stdin.write(b"start\n")
        await self._stdin.drain()

    async def done(self) -> dict[str, float]:
        done: dict[str, float] = json.loads(await self.line())
        return done


@asynccontextmanager
async def _worker(name: str, jobs: int, cluster: Cluster, sink: Sink) -> AsyncIterator[_Worker]:
    """A peer's process, its jobs enqueued in a database of its own that is vacuumed, as autovacuum would in time."""
    database = f"peer_{name}"
    dsn = await cluster.server.create_database(database)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"bench.peers.{name}_peer", "--dsn", dsn, "--url", sink.url, "--count", str(jobs),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        worker = _Worker(name, process)
        await worker.line()
        await vacuum(dsn)
        yield worker
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await cluster.server.drop_database(database)
