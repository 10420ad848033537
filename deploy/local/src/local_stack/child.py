"""One child process that never outlives its parent."""

import asyncio
import ctypes
import math
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypedDict

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.02
_RESTARTS = 10
START_SECONDS = 300.0
"""The time within which a server must serve. One that ends is noticed at once; this bounds a machine that is busy."""
# Loaded before any fork: the forked child may only call functions that are already loaded.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Command:
    """What to start. `user` is the system user to run as (None: our own); output is appended to `log`."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Startable(Protocol):
    """A server that a supervisor can start: prepares itself, names its command, says when it serves."""

    def prepare(self) -> None:
        """Get everything ready that the command needs; called before every start."""

    def command(self) -> Command:
        """The process to start."""

    def ready(self) -> bool:
        """Whether it serves. Quick, never raises for a server that is merely away."""


class StartupError(RuntimeError):
    """A child ended, or did not serve in time."""


class Child:
    """A running (or ended) process made from a Command.

    It has a process group of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then stops
    its children in order. If the supervisor itself is killed, the kernel sends the stop signal (Linux only).
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def tie_to_parent() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(command.stop_signal))
                if os.getppid() != parent:  # the parent died between fork and prctl
                    os._exit(1)

        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command.argv),
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tie_to_parent,
                **identity(command.user),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    async def ended(self, timeout_seconds: float = math.inf) -> bool:
        """Wait until it has ended; False if the timeout passes first."""
        deadline = time.monotonic() + timeout_seconds
        while self.exit_code is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def terminate(self) -> None:
        """Ask it to stop. Returns at once."""
        if self.exit_code is None:
            self._process.send_signal(self.command.stop_signal)

    def kill(self) -> None:
        """SIGKILL to the process and to whatever it started in its group."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self, grace_seconds: float) -> int:
        """Ask it to stop, wait, kill after the grace period; returns the exit status."""
        self.terminate()
        try:
            return self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that give a child another user, and none of our groups."""

    user: int
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """The identity of a system user; empty (ours) for None."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def start(server: Startable, timeout_seconds: float = START_SECONDS) -> Child:
    """Start a server and wait until it serves.

    A server that ends early is started again, 10 times, 0.2 s apart: after a SIGKILL the port or the shared memory of
    its predecessor may take a moment to be free. Raises StartupError with the end of its log if it ends once more, or
    does not serve within `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    server.prepare()
    child = Child(server.command())
    restarts = 0
    while not server.ready():
        if child.exit_code is not None:
            if restarts == _RESTARTS:
                raise StartupError(_failure(child, f"ended with {child.exit_code}"))
            restarts += 1
            time.sleep(10 * _POLL_SECONDS)
            server.prepare()
            child = Child(server.command())
        elif time.monotonic() > deadline:
            child.kill()
            raise StartupError(_failure(child, f"did not serve within {timeout_seconds:g} s"))
        time.sleep(_POLL_SECONDS)
    return child


def _failure(child: Child, what: str) -> str:
    return f"{child.command.name} {what}; its log ends:\n{tail(child.command.log)}"


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, or a note that there is none."""
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
