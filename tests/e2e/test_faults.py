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

# What is killed, by its program or an argument, in this order; each must be back before the next goes.
VICTIMS = (
    "event_service", "delivery_service", "postgres", "user_service", "local_stack.emulator_app:app",
    "local_stack.analytics",
)  # fmt: skip


@pytest.mark.timeout(1800)
async def test_killing_everything_once_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    victims = list(VICTIMS)
    while victims:
        # On a busy machine a day ends before all have been killed: the others are killed on another one.
        killed = await _kill_on_one_day(victims, tmp_path)
        assert killed, f"the day was over before {victims[0]} had been killed"
        victims = victims[killed:]


async def _kill_on_one_day(victims: list[str], folder: Path) -> int:
    """Run a day, kill ``victims`` one after the other while it lasts, and return how many were killed."""
    name = f"day-{len(victims)}"
    errors = folder / f"{name}.stderr"
    with errors.open("wb") as stderr:
        demo = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "local_stack", "demo", "--day", "2027-02-28", "--speed", "1440",
            env=stack_environment(folder / name), stdout=asyncio.subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    result = asyncio.create_task(demo.communicate())
    await eventually(lambda: "the clock runs" in errors.read_text(), timeout=120, interval=0.1)
    killed = 0
    for victim in victims:
        told = errors.read_text().count("is back")
        pid = _pid_of(demo.pid, victim)
        if pid is None or _is_ending(demo, errors):
            assert _is_ending(demo, errors), f"no child runs {victim}:\n{errors.read_text()}"
            break
        os.kill(pid, signal.SIGKILL)
        killed += 1
        await eventually(partial(_is_back_or_ending, demo, errors, told), timeout=90, interval=0.1)
    output, _ = await asyncio.wait_for(result, 200)
    report = json.loads(output.decode().strip().splitlines()[-1])
    told_at_end = errors.read_text()
    assert report["due"] == 120, told_at_end
    assert (report["missing"], report["duplicates"], report["unverified"]) == (0, 0, 0), told_at_end
    assert demo.returncode == 0, told_at_end
    return killed


def _is_ending(demo: asyncio.subprocess.Process, errors: Path) -> bool:
    return demo.returncode is not None or "stopping" in errors.read_text().splitlines()


def _is_back_or_ending(demo: asyncio.subprocess.Process, errors: Path, told: int) -> bool:
    return _is_ending(demo, errors) or errors.read_text().count("is back") > told


def _pid_of(stack: int, victim: str) -> int | None:
    for child in psutil.Process(stack).children():
        program, *arguments = child.cmdline() or [""]
        if victim in (Path(program).name, *arguments):
            return child.pid
    return None
