"""The supervisor heals what dies and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from local_stack import ports
from local_stack.child import Command, StartupError
from local_stack.processes import Supervisor, end_orphans
from testkit import eventually
from testkit.polling import DEADLINE_SECONDS


class FileServer:
    """Python's own web server."""

    def __init__(self, folder: Path, name: str = "files") -> None:
        self.port = ports.free_port()
        self.name = name
        self.folder = folder

    def prepare(self) -> None:
        (self.folder / "prepared").touch()

    def command(self) -> Command:
        argv = [sys.executable, "-m", "http.server", str(self.port), "--bind", ports.LOOPBACK, "-d", str(self.folder)]
        return Command(self.name, argv, self.folder / f"{self.name}.log")

    def ready(self) -> bool:
        return ports.http_status(self.port, "/prepared") == 200


class Broken(FileServer):
    def command(self) -> Command:
        return Command("broken", [sys.executable, "-c", "raise SystemExit('no luck')"], self.folder / "broken.log")


class Spoken(list[str]):
    def __contains__(self, part: object) -> bool:
        return any(str(part) in line for line in self)


@pytest.fixture
def said() -> Spoken:
    return Spoken()


@pytest.fixture
async def supervisor(tmp_path: Path, said: Spoken) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "processes.json", said.append, grace_seconds=5)
    yield supervisor
    await supervisor.stop()


async def test_a_killed_child_is_started_again_and_both_are_said(
    supervisor: Supervisor, said: Spoken, tmp_path: Path
) -> None:
    server = FileServer(tmp_path)
    healed = asyncio.Event()

    async def heal() -> None:
        healed.set()

    await supervisor.start(server, after_restart=heal)
    first = supervisor.pid("files")
    watching = asyncio.create_task(supervisor.watch())
    os.kill(first, signal.SIGKILL)
    await asyncio.wait_for(healed.wait(), DEADLINE_SECONDS)
    await eventually(lambda: "files is back" in said)
    assert "files ended (signal 9)" in said
    assert supervisor.pid("files") != first
    assert server.ready()
    watching.cancel()


async def test_a_child_that_dies_again_and_again_is_given_more_and_more_time(
    supervisor: Supervisor, said: Spoken, tmp_path: Path
) -> None:
    await supervisor.start(FileServer(tmp_path))
    watching = asyncio.create_task(supervisor.watch())
    waits = []
    for _ in range(2):
        said.clear()
        os.kill(supervisor.pid("files"), signal.SIGKILL)
        await eventually(lambda: "files is back" in said)
        waits.append(said[0].rpartition(" in ")[2])
    assert waits == ["0.2 s", "0.4 s"]
    watching.cancel()


async def test_stopping_ends_all_and_frees_their_ports(supervisor: Supervisor, tmp_path: Path) -> None:
    first, second = FileServer(tmp_path, "first"), FileServer(tmp_path, "second")
    await supervisor.start(first)
    await supervisor.start(second)
    pids = [supervisor.pid("first"), supervisor.pid("second")]
    await supervisor.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert ports.is_free(first.port)
    assert ports.is_free(second.port)
    assert not (tmp_path / "processes.json").exists()


async def test_a_child_that_ends_at_once_fails_the_start_with_the_end_of_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with pytest.raises(StartupError, match=r"(?s)broken ended \(exit status 1\).*no luck"):
        await supervisor.start(Broken(tmp_path))


async def test_a_child_that_does_not_serve_in_time_fails_the_start(supervisor: Supervisor, tmp_path: Path) -> None:
    server = FileServer(tmp_path)
    server.ready = lambda: False  # type: ignore[method-assign]
    with pytest.raises(StartupError, match=r"did not serve within 0\.3 s"):
        await supervisor.start(server, timeout_seconds=0.3)


_STACK = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_processes import FileServer
from local_stack.processes import Supervisor
from testkit.polling import DEADLINE_SECONDS

async def main():
    supervisor = Supervisor(Path({folder!r}) / "processes.json", print)
    await supervisor.start(FileServer(Path({folder!r})))
    print(supervisor.pid("files"), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    script = _STACK.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    stack = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert stack.stdout is not None
    child = int(await asyncio.to_thread(stack.stdout.readline))
    assert psutil.pid_exists(child)
    stack.kill()
    stack.wait()
    stack.stdout.close()
    await eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


async def test_orphans_that_live_on_are_ended_at_the_next_start(tmp_path: Path) -> None:
    ignorant = [
        sys.executable,
        "-c",
        "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()",
    ]
    orphan = subprocess.Popen(ignorant, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert orphan.stdout is not None
    await asyncio.to_thread(orphan.stdout.readline)
    register = tmp_path / "processes.json"
    created = psutil.Process(orphan.pid).create_time()
    register.write_text(f'{{"{orphan.pid}": {created}, "{os.getpid()}": 1.0, "999999999": 1.0}}')
    assert await asyncio.to_thread(end_orphans, register, 0.2) == 1
    assert orphan.wait() == -signal.SIGKILL
    orphan.stdout.close()
    assert not register.exists()
