"""`python -m bench.peers --n 5000`: every peer in one run; the last line gives their jobs a second."""

from __future__ import annotations

import argparse
import asyncio

from bench.measure import machine
from bench.peers.comparison import NAMES, run_peers, show_peers
from bench.postgres import cluster
from bench.sink import Sink


async def main(jobs: int, names: list[str]) -> None:
    """Run the named peers and print."""
    print(machine())
    async with cluster() as postgres, Sink() as sink:
        results = await run_peers(jobs, postgres, sink, names)
    show_peers(results)
    print("peers: " + ", ".join(f"{result.name} {result.jobs_per_second:.0f} jobs/s" for result in results))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=5000, help="jobs for each peer (default: 5000)")
    arguments.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="run only these")
    parsed = arguments.parse_args()
    asyncio.run(main(parsed.n, parsed.only))
