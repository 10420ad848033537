"""How late webhooks are at an even load: `python -m bench.lateness --seconds 60 --rate 25000`.

Events come due at random (Poisson), through the whole stack, on real time. The last line gives the percentiles.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from bench.due import Due, DueResult, due, run_arrivals, show
from bench.launch import launch
from bench.measure import machine
from bench.sink import Sink
from contracts.vocabulary import Priority

DATA = Path(".almanac/bench-lateness")
LEAD_SECONDS = 8.0
# Of a user's year: a birthday, an anniversary, three reminders, fifty notifications.
MIX = {Priority.CRITICAL: 1, Priority.HIGH: 1, Priority.NORMAL: 3, Priority.LOW: 50}


def poisson(start: float, seconds: float, an_hour: float) -> list[Due]:
    """Arrivals of `an_hour` an hour for this many seconds from `start` on; the pattern is the same in every run."""
    chance, at, coming = random.Random(an_hour), start, list[Due]()
    while (at := at + chance.expovariate(an_hour / 3600)) < start + seconds:
        coming.append(due(at, chance.choices(list(MIX), list(MIX.values()))[0]))
    return coming


async def run_lateness(seconds: float, an_hour: float, sink: Sink, data: Path = DATA) -> DueResult:
    """See :func:`bench.due.run_arrivals`."""
    return await run_arrivals(lambda now: poisson(now + LEAD_SECONDS, seconds, an_hour), sink, data, 60 + 2 * seconds)


async def main(seconds: float, an_hour: float) -> None:
    """Run, and print."""
    print(machine())
    async with Sink() as sink:
        result = await run_lateness(seconds, an_hour, sink)
    show(f"lateness at {an_hour:,.0f} events an hour", result)
    late = result.all
    print(f"lateness: p50 {1000 * late.p50:.0f} ms, p95 {1000 * late.p95:.0f} ms, p99 {1000 * late.p99:.0f} ms")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60, help="how long events come due (default: 60)")
    arguments.add_argument("--rate", type=float, default=25_000, help="events an hour (default: 25000)")
    parsed = arguments.parse_args()
    launch(main(parsed.seconds, parsed.rate))
