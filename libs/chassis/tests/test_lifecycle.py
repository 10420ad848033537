"""How a process works, and how it ends."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.core.lifecycle import Loop, first_of, run_roles
from chassis.database import migrations, revisions
from chassis.database.database import Database
from chassis.database.schema import CREATE_V1, CREATE_V2, CREATE_V3, CREATE_V4
from local_stack import ports
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory
from testkit.polling import DEADLINE_SECONDS

PROGRAMS = Path(__file__).with_name("programs")
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`await start("program.py", *arguments, env={…})`; whatever still runs at the end is killed."""
    started: list[Process] = []

    async def program(name: str, *arguments: str, env: dict[str, str] | None = None) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAMS / name), *arguments, stdout=PIPE, stderr=STDOUT, env=env
        )
        started.append(process)
        return process

    yield program
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _says(process: Process, word: str) -> str:
    """Read the process's output up to a line with ``word``; returns all of it."""
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(30):
        while word not in output:
            line = await process.stdout.readline()
            assert line, f"ended without saying {word!r}: {output}"
            output += line.decode()
    return output


async def _end(process: Process) -> tuple[int, str]:
    """The exit status and what it still said."""
    output, _ = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_lets_roles_finish_their_work_and_the_process_exits_with_0(
    start: Start, number: signal.Signals
) -> None:
    process = await start("roles.py", "patient", "loop")
    said = await _says(process, "stepped")
    assert "working" in said
    process.send_signal(number)
    status, output = await _end(process)
    assert "drained" in output
    assert status == 0


async def test_a_role_that_fails_ends_the_process_with_1_and_lets_the_others_finish(start: Start) -> None:
    status, output = await _end(await start("roles.py", "patient", "failing"))
    assert "drained" in output
    assert "broken" in output
    assert status == 1


async def test_a_role_that_does_not_stop_in_time_is_cancelled_and_the_process_ends_with_1(start: Start) -> None:
    process = await start("roles.py", "patient", "late")
    await _says(process, "working")
    process.send_signal(signal.SIGTERM)
    status, output = await _end(process)
    assert "drained" in output
    assert "cancelled" in output
    assert status == 1


def _migrations(folder: Path) -> Path:
    """One revision with the chassis' own tables."""
    scripts = folder / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text("from chassis.database.migrations import run_environment\n\nrun_environment()\n")
    (scripts / "versions" / "0001.py").write_text(
        "from chassis.database.migrations import execute_script\n\n"
        'revision = "0001"\ndown_revision = None\n\n\n'
        f"def upgrade() -> None:\n    execute_script({CREATE_V1 + CREATE_V2 + CREATE_V3 + CREATE_V4!r})\n"
    )
    return scripts


async def test_migrate_goes_past_a_pooler_that_is_not_there_yet(
    start: Start, database: DatabaseFactory, tmp_path: Path
) -> None:
    url = await database("")
    pooler = f"postgresql://postgres@{ports.LOOPBACK}:{ports.free_port()}/away"
    environment = {"DATABASE_URL": pooler, "LISTEN_URL": url, "SAMPLE_MIGRATIONS": str(_migrations(tmp_path))}
    status, output = await _end(await start("service.py", "migrate", env=environment))
    assert status == 0, output
    migrated = Database(url)
    try:
        assert await revisions.pending(migrated, tmp_path / "migrations") is None
    finally:
        await migrated.close()


async def test_a_whole_service_is_ready_once_migrated_listens_and_stops_with_0(
    start: Start, database: DatabaseFactory, aws: AwsAccount, tmp_path: Path
) -> None:
    scripts, port, url = _migrations(tmp_path), ports.free_port(), await database("")
    environment = {
        **aws.environment(),
        "DATABASE_URL": url,
        "API_PORT": str(port),
        "SAMPLE_MIGRATIONS": str(scripts),
    }
    process = await start("service.py", "run", env=environment)
    async with httpx.AsyncClient(base_url=f"http://{ports.LOOPBACK}:{port}") as client:

        async def readiness() -> Any:
            try:
                return (await client.get("/readyz")).json()
            except httpx.TransportError:
                return None

        unready = await eventually(readiness)
        assert unready["status"] == "unready"
        assert unready["checks"]["database"].endswith("run the `migrate` command")
        assert (await client.get("/healthz")).status_code == 200
        await migrations.upgrade(url, scripts)

        async def ready() -> bool:
            return bool((await readiness())["status"] == "ready")

        await eventually(ready)
    await _says(process, '"event": "listening"')
    process.send_signal(signal.SIGTERM)
    status, output = await _end(process)
    assert '"event": "stopping"' in output
    assert status == 0


async def test_a_setting_that_is_missing_is_named_and_ends_the_process_with_2(start: Start, tmp_path: Path) -> None:
    status, output = await _end(await start("service.py", "run", env={"SAMPLE_MIGRATIONS": str(tmp_path)}))
    assert "sample-service: setting DATABASE_URL: Field required" in output
    assert status == 2


async def test_a_process_whose_roles_have_all_ended_ends_with_0() -> None:
    class Brief:
        name = "brief"

        async def run(self, stopping: asyncio.Event) -> None:
            assert not stopping.is_set()

    assert await run_roles([Brief(), Brief()], grace_seconds=1) == 0


async def test_a_role_that_ends_by_itself_does_not_end_the_others() -> None:
    stopping = asyncio.Event()

    class Brief:
        name = "brief"

        async def run(self, stopping: asyncio.Event) -> None:
            assert not stopping.is_set()

    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        if len(steps) == 50:
            stopping.set()
        return 0.0

    assert await run_roles([Brief(), Loop("loop", step)], grace_seconds=1, stopping=stopping) == 0
    assert len(steps) == 50


async def test_loop_continues_after_an_error() -> None:
    stopping = asyncio.Event()
    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        if len(steps) < 3:
            raise OSError("away")
        stopping.set()
        return 60.0

    await asyncio.wait_for(Loop("loop", step).run(stopping), DEADLINE_SECONDS)
    assert len(steps) == 3


async def test_a_loop_is_woken_from_its_pause() -> None:
    stopping, wake = asyncio.Event(), asyncio.Event()
    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        return 60.0

    running = asyncio.create_task(Loop("loop", step, wake=wake).run(stopping))
    await eventually(lambda: len(steps) == 1)
    wake.set()
    await eventually(lambda: len(steps) == 2)
    stopping.set()
    await asyncio.wait_for(running, DEADLINE_SECONDS)


async def test_wake_during_a_step_is_not_lost() -> None:
    stopping, wake = asyncio.Event(), asyncio.Event()
    steps: list[int] = []

    async def step() -> float:
        steps.append(1)
        if len(steps) == 1:
            wake.set()
        else:
            stopping.set()
        return 60.0

    await asyncio.wait_for(Loop("loop", step, wake=wake).run(stopping), DEADLINE_SECONDS)
    assert len(steps) == 2


async def test_a_wait_that_fails_is_not_mistaken_for_one_that_ended() -> None:
    async def fail() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        await first_of(fail(), asyncio.Event().wait())
