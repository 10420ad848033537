"""Everything is killed in the middle of a day, one after the other: nothing is lost, nothing repeated in effect."""

import asyncio
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from testkit import eventually
from testkit.full_stack import stack_environment

pytestmark = pytest.mark.xdist_group("faults")

# What is killed, by a word of its command line, in this order; each must be back before the next goes.
VICTIMS = ("event_service", "delivery_service", "postgres", "user_service", "ministack", "analytics_service")


async def test_killing_everything_once_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr:
        demo = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "local_stack", "demo", "--day", "2027-02-28", "--speed", "1440",
            env=stack_environment(tmp_path / "data"), stdout=asyncio.subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    await eventually(lambda: "the clock runs" in errors.read_text(), timeout=120, interval=0.1)
    for victim in VICTIMS:
        said = errors.read_text().count("is back")
        os.kill(_pid_of(demo.pid, victim), signal.SIGKILL)
        await eventually(partial(_is_back, demo, errors, said), timeout=90, interval=0.1)
    output, _ = await asyncio.wait_for(demo.communicate(), 200)
    report = json.loads(output.decode().strip().splitlines()[-1])
    told = errors.read_text()
    assert report["due"] == 120, told
    assert (report["missing"], report["duplicates"], report["unverified"]) == (0, 0, 0), told
    assert demo.returncode == 0, told


def _is_back(demo: asyncio.subprocess.Process, errors: Path, said: int) -> bool:
    told = errors.read_text()
    assert demo.returncode is None, f"the day was over before everything had been killed:\n{told}"
    return told.count("is back") > said


def _pid_of(stack: int, victim: str) -> int:
    for child in psutil.Process(stack).children():
        if victim in " ".join(child.cmdline()):
            return child.pid
    raise AssertionError(f"no child runs {victim}")
