"""Programs that the tests run: kubectl, helm, and the command blocks of documents."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"^```(?:bash)?\n(.+?)^```$", re.MULTILINE | re.DOTALL)


def run(*command: str, stdin: str | None = None, timeout: float = 600, environment: Mapping[str, str] = {}) -> str:
    """Runs a program in the root of the repository and returns its standard output.

    Raises AssertionError with its output if it fails, and subprocess.TimeoutExpired after `timeout` seconds.
    """
    ran = subprocess.run(
        command,
        input=stdin,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(command)} exited with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def block(document: str, containing: str) -> str:
    """Returns the one command block of a Markdown document that contains a text, as it stands there."""
    found = [each for each in _BLOCK.findall((ROOT / document).read_text(encoding="utf-8")) if containing in each]
    assert len(found) == 1, f"{document} has {len(found)} blocks with {containing!r}"
    return str(found[0])


@contextmanager
def script(text: str, folder: Path, timeout: float, environment: Mapping[str, str] = {}) -> Iterator[str]:
    """Runs a command block as one shell would, stopping at the first error, and yields what it printed.

    What it left running in the background, such as port-forwards, ends when the context exits.
    """
    output = folder / "output.txt"
    with output.open("w") as out:
        shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", text],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        status = shell.wait(timeout)
        assert status == 0, f"the commands exited with {status}:\n{text}\n{output.read_text()}"
        yield output.read_text()
    finally:
        with suppress(ProcessLookupError):  # nothing may be left in the background
            os.killpg(shell.pid, signal.SIGTERM)
        shell.wait()


def run_block(text: str, folder: Path, timeout: float = 600, environment: Mapping[str, str] = {}) -> str:
    """Runs a command block that leaves nothing running, and returns what it printed."""
    with script(text, folder, timeout, environment) as output:
        return output


def until(read: Callable[[], T], holds: Callable[[T], bool], seconds: float, interval: float = 1) -> T:
    """Reads until a condition holds, and returns what was read last. Raises AssertionError with it after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if holds(value):
            return value
        assert time.monotonic() < deadline, f"not so within {seconds:g} s; the last value was {value!r}"
        time.sleep(interval)
