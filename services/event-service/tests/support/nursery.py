"""Schedulers on demand, for tests that kill many: `python nursery.py` imports once and forks for each line it reads.

It answers each line with the process id of a new `event-service` that runs the roles named in that line, configured by
the environment. When its input ends, it kills the remaining ones.
"""

import os
import signal
import sys
from contextlib import suppress

import uvloop

from chassis.telemetry.logging import start_logging
from event_service.main import SERVICE
from event_service.settings import Settings


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: a killed one is gone at once
    children: list[int] = []
    while line := sys.stdin.readline():
        if (pid := os.fork()) == 0:
            os._exit(_serve(line.split()))
        children.append(pid)
        print(pid, flush=True)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _serve(roles: list[str]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    settings = Settings()
    start_logging(SERVICE.name, level=settings.log_level, format=settings.log_format)
    return uvloop.run(SERVICE.run(settings, roles))


if __name__ == "__main__":
    main()
