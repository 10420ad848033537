"""A pytest plugin (`-p shifted_clock`) that shifts the clock before any test module is collected."""

import os
import time

import time_machine

SECONDS_VARIABLE = "COLLECT_SHIFTED_BY_SECONDS"


def pytest_configure() -> None:
    """Shift the clock for the rest of this process, by the seconds that the environment names."""
    time_machine.travel(time.time() + float(os.environ[SECONDS_VARIABLE])).start()
