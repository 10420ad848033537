"""`python -m bench.delivery --n 5000`: our worker beside job queues and a bare client; the last line is a ratio."""

from __future__ import annotations

import argparse
import asyncio

from bench.measure import machine
from bench.peers.comparison import run_peers, show_peers
from bench.postgres import cluster
from bench.sink import Sink

NAMES = ("bare", "almanac", "pgqueuer", "procrastinate")


async def main(jobs: int) -> None:
    """Run all and print."""
    print(machine())
    async with cluster() as postgres, Sink() as sink:
        results = {result.name: result for result in await run_peers(jobs, postgres, sink, NAMES)}
    show_peers(results.values())
    ratio = results["almanac"].jobs_per_second / results["pgqueuer"].jobs_per_second
    print(f"delivery: {ratio:.2f} of pgqueuer")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=5000, help="deliveries (default: 5000)")
    asyncio.run(main(arguments.parse_args().n))
