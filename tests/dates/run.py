"""Run the tests under other dates: python tests/dates/run.py --library wall_clock.so [--tests PATH …] [DATE …]

The wall clock of pytest and of everything that it starts, PostgreSQL included, is shifted by wall_clock.c; monotonic
time is not. Exits with 1 if the tests fail under any date.
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shifts import EVERY, shift


def main() -> int:
    """Run pytest once for each date, then print a line for each."""
    arguments = _arguments()
    lines, failed = [], False
    for name in arguments.dates or EVERY:
        delta = shift(name, datetime.now(UTC))
        print(f"== {name}: the clock starts at {datetime.now(UTC) + delta:%Y-%m-%d %H:%M:%S} UTC", flush=True)
        started = time.monotonic()
        status = _run(arguments.library, delta, arguments.tests)
        failed = failed or status != 0
        lines.append(f"{name:<16} {'passed' if status == 0 else 'FAILED':<7} {time.monotonic() - started:5.0f} s")
    print("\n".join(["", "date             result    took", *lines]))
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the tests under other dates.")
    parser.add_argument("--library", type=Path, required=True, help="the compiled wall_clock.c")
    parser.add_argument("--tests", nargs="*", default=[], help="what pytest runs; everything by default")
    parser.add_argument("dates", nargs="*", help=f"+<days>d or a name; by default {', '.join(EVERY)}")
    return parser.parse_args()


def _run(library: Path, delta: timedelta, tests: list[str]) -> int:
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library.resolve(strict=True)),
        "WALL_CLOCK_SHIFT": str(round(delta.total_seconds())),
    }
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-q", *tests]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
