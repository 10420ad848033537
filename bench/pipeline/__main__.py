"""`python -m bench.pipeline --n 5000`: the last line gives the events a second through everything."""

from __future__ import annotations

import argparse

from bench.launch import launch
from bench.measure import machine
from bench.peers.comparison import run_peers, show_peers
from bench.pipeline.report import show, show_profile
from bench.pipeline.run import SERVICES, profile_file, run_pipeline
from bench.postgres import cluster
from bench.sink import Sink


async def main(events: int, peers: bool, profile: str | None) -> None:
    """Run, and print."""
    print(machine())
    async with Sink() as sink:
        result = await run_pipeline(events, sink, profile)
        show(result)
        if profile is not None:
            show_profile(profile, profile_file(profile))
        if peers:
            # The stack is down by now: idle services would cost the peers what they do not cost us.
            async with cluster() as postgres:
                others = await run_peers(events, postgres, sink)
            show_peers(others)
            ratios = (f"{result.events_per_second / each.jobs_per_second:.2f} x {each.name}" for each in others)
            print("pipeline, to the last count in analytics, by peer, to the last receipt: " + ", ".join(ratios))
    print(f"pipeline: {result.events_per_second:.1f} events/s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=5000, help="events due at one instant (default: 5000)")
    arguments.add_argument("--peers", action="store_true", help="run the peers too, and give the ratios")
    arguments.add_argument("--profile", choices=SERVICES, help="sample this service with py-spy")
    parsed = arguments.parse_args()
    launch(main(parsed.n, parsed.peers, parsed.profile))
