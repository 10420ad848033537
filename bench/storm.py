"""Everything due at one instant: `python -m bench.storm --n 25000 --critical 1000`.

Through the whole stack, on real time. The last line gives how long the critical ones took, and all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.due import Due, DueResult, due, run_arrivals, show
from bench.launch import launch
from bench.measure import machine
from bench.sink import Sink
from contracts.vocabulary import Priority

DATA = Path(".almanac/bench-storm")
LEAD_SECONDS = 10.0
# The time that inserting and vacuuming them takes on a slow machine.
LEAD_EACH = 0.001
OTHERS = {Priority.HIGH: 0.05, Priority.NORMAL: 0.15, Priority.LOW: 0.8}


def storm(at: float, events: int, critical: int) -> list[Due]:
    """This many events, due at one instant, the least urgent first."""
    counts = {priority: int((events - critical) * share) for priority, share in OTHERS.items()}
    counts[Priority.CRITICAL] = critical
    counts[Priority.LOW] += events - sum(counts.values())
    return [due(at, priority) for priority in sorted(counts, reverse=True) for _ in range(counts[priority])]


async def run_storm(events: int, critical: int, sink: Sink, data: Path = DATA) -> DueResult:
    """See :func:`bench.due.run_arrivals`."""
    lead = LEAD_SECONDS + LEAD_EACH * events
    return await run_arrivals(lambda now: storm(now + lead, events, critical), sink, data, 120 + lead + 0.02 * events)


async def main(events: int, critical: int) -> None:
    """Run, and print."""
    print(machine())
    async with Sink() as sink:
        result = await run_storm(events, critical, sink)
    show("storm", result)
    urgent = result.lateness[Priority.CRITICAL]
    print(f"storm: critical p99 {urgent.p99:.1f} s, all {result.all.worst:.1f} s")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--n", type=int, default=25_000, help="events due at one instant (default: 25000)")
    arguments.add_argument("--critical", type=int, default=1_000, help="critical ones among them (default: 1000)")
    parsed = arguments.parse_args()
    launch(main(parsed.n, parsed.critical))
