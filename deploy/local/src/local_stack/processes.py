"""The supervisor: starts servers in order, restarts what dies, stops all in reverse order, leaves no orphans."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_stack.child import START_SECONDS, Child, Startable, StartupError, tail

_POLL_SECONDS = 0.1
_BACKOFF_SECONDS = (0.2, 10.0)
# A server that ran this long was well: its next death restarts the backoff.
_WELL_AFTER_SECONDS = 30.0
# At the start: what a predecessor was killed with (a port, PostgreSQL's shared memory) may take a moment to be free.
_ATTEMPTS, _RETRY_SECONDS = 3, 0.5


@dataclass
class _Supervised:
    server: Startable
    child: Child
    after_restart: Callable[[], Awaitable[None]] | None
    started_at: float
    deaths: int = 0

    @property
    def name(self) -> str:
        return self.child.command.name


class Supervisor:
    """Keeps servers running. `say` gets one line whenever one dies or is back.

    The pids of its children are kept in `register`, so that the next start ends what a killed supervisor left.
    """

    def __init__(self, register: Path, say: Callable[[str], None], grace_seconds: float = 15) -> None:
        self._register = register
        self._say = say
        self._grace_seconds = grace_seconds
        self._groups: list[list[_Supervised]] = []

    async def start(
        self,
        *servers: Startable,
        timeout_seconds: float = START_SECONDS,
        after_restart: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Start servers side by side and wait until all serve; they are also stopped side by side.

        `after_restart` is awaited when one of them serves again after a death (see `watch`). Raises StartupError.
        """
        group: list[_Supervised] = []
        self._groups.append(group)
        await asyncio.gather(*(self._start(server, group, timeout_seconds, after_restart) for server in servers))

    async def _start(
        self,
        server: Startable,
        group: list[_Supervised],
        timeout_seconds: float,
        after_restart: Callable[[], Awaitable[None]] | None,
    ) -> None:
        # The fork is made in the main thread: the kernel ties a child to the thread that made it.
        await asyncio.to_thread(server.prepare)
        entry = _Supervised(server, Child(server.command()), after_restart, time.monotonic())
        group.append(entry)
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_RETRY_SECONDS)
                await asyncio.to_thread(server.prepare)
                entry.child = Child(server.command())
            self._write_register()
            if await self._serves(entry, timeout_seconds):
                return
        raise StartupError(
            f"{entry.name} ended ({_cause(entry.child)}); its log ends:\n{tail(entry.child.command.log)}"
        )

    async def watch(self) -> None:
        """Restart what dies, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for entry in self._entries():
                group.create_task(self._keep_alive(entry))

    def pids(self) -> list[tuple[str, int]]:
        """The name and the process id of each child."""
        return [(entry.name, entry.child.pid) for entry in self._entries()]

    async def stop(self) -> None:
        """Stop all in reverse order of their start, each with the grace period, then SIGKILL."""
        for group in reversed(self._groups):
            for entry in group:
                entry.child.terminate()
            stopped = await asyncio.gather(*(entry.child.ended(self._grace_seconds) for entry in group))
            for entry, ended in zip(group, stopped, strict=True):
                if not ended:
                    self._say(f"{entry.name} did not stop within {self._grace_seconds:g} s: killed")
                    entry.child.kill()
        self._groups.clear()
        self._register.unlink(missing_ok=True)

    def pid(self, name: str) -> int:
        """The process id of a server by the name of its command."""
        return next(entry.child.pid for entry in self._entries() if entry.name == name)

    def _entries(self) -> list[_Supervised]:
        return [entry for group in self._groups for entry in group]

    async def _serves(self, entry: _Supervised, timeout_seconds: float) -> bool:
        """Wait until the server serves (True) or has ended (False). Raises StartupError after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while entry.child.exit_code is None:
            if await asyncio.to_thread(entry.server.ready):
                return True
            if time.monotonic() > deadline:
                log = tail(entry.child.command.log)
                raise StartupError(f"{entry.name} did not serve within {timeout_seconds:g} s; its log ends:\n{log}")
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _keep_alive(self, entry: _Supervised) -> None:
        while True:
            await entry.child.ended()
            if time.monotonic() - entry.started_at > _WELL_AFTER_SECONDS:
                entry.deaths = 0
            first, longest = _BACKOFF_SECONDS
            delay = min(longest, first * 2**entry.deaths)
            entry.deaths += 1
            self._say(f"{entry.name} ended ({_cause(entry.child)}); starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            await self._restart(entry)

    async def _restart(self, entry: _Supervised) -> None:
        await asyncio.to_thread(entry.server.prepare)
        entry.child = Child(entry.server.command())
        entry.started_at = time.monotonic()
        self._write_register()
        while entry.child.exit_code is None:
            if await asyncio.to_thread(entry.server.ready):
                try:
                    if entry.after_restart is not None:
                        await entry.after_restart()
                except StartupError as error:
                    self._say(f"{entry.name} is back, but not yet of use: {error}")
                else:
                    self._say(f"{entry.name} is back")
                    return
            await asyncio.sleep(_POLL_SECONDS)

    def _write_register(self) -> None:
        born = {}
        for entry in self._entries():
            with contextlib.suppress(psutil.NoSuchProcess):
                born[str(entry.child.pid)] = psutil.Process(entry.child.pid).create_time()
        self._register.write_text(json.dumps(born))


def _cause(child: Child) -> str:
    code = child.exit_code
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def end_orphans(register: Path, grace_seconds: float = 15) -> int:
    """End what a killed supervisor left running; returns how many. A pid that is another process by now is spared."""
    try:
        born: dict[str, float] = json.loads(register.read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # none, or cut short by the kill: then the ports tell
        return 0
    orphans = []
    for pid, created in born.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if abs(process.create_time() - created) < 1:
                orphans.append(process)
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(orphans, timeout=grace_seconds)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    register.unlink(missing_ok=True)
    return len(orphans)
