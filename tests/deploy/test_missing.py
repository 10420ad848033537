"""What a pod lacks it says in one line, alive and unready, and it begins to work when that is there."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.database.migrations import upgrade
from local_stack import ports
from local_stack.child import Child, Command
from local_stack.emulator import Emulator
from local_stack.postgres import NOT_DURABLE, PostgresServer
from local_stack.services import run_once
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory

ROOT = Path(__file__).parents[2]
SECRET_KEYS = b64encode(b"k" * 32).decode()
SECONDS = 60


class Pod:
    """One role of a service as a process of its own."""

    def __init__(self, folder: Path, service: str, role: str, environment: Mapping[str, str]) -> None:
        self.port = ports.free_port()
        self.log = folder / f"{service}-{role}.log"
        module = service.replace("-", "_")
        own = {"API_PORT": str(self.port), "SHUTDOWN_GRACE_SECONDS": "5", **environment}
        # Nothing of the test's own environment counts, as in a container.
        argv = ["env", "-i", *(f"{name}={value}" for name, value in own.items()), str(ROOT / ".venv/bin/python")]
        self.child = Child(Command(service, [*argv, "-m", module, "run", role], self.log))

    async def ready(self) -> dict[str, Any]:
        """The checks of `/readyz` that fail, once it answers."""
        await eventually(lambda: ports.http_status(self.port, "/healthz") == HTTPStatus.OK, SECONDS)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            body = (await http.get(f"http://{ports.LOOPBACK}:{self.port}/readyz")).json()
        assert body["status"] == ("ready" if all(each == "ok" for each in body["checks"].values()) else "unready")
        return {name: reason for name, reason in body["checks"].items() if reason != "ok"}

    async def becomes_ready(self) -> None:
        async def nothing_fails() -> bool:
            return not await self.ready()

        await eventually(nothing_fails, SECONDS, 0.2)


StartPod = Callable[..., Pod]


def _waits(log: Path) -> bool:
    return log.exists() and '"waiting"' in log.read_text()


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[StartPod]:
    """`pod("user-service", "api", DATABASE_URL=…)` starts a role; all are stopped with the test."""
    started: list[Pod] = []

    def start(service: str, role: str, environment: Mapping[str, str] | None = None, **more: str) -> Pod:
        started.append(Pod(tmp_path, service, role, {**(environment or {}), **more}))
        return started[-1]

    yield start
    for each in started:
        each.child.stop(20)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("service", "role", "lacking"),
    [
        ("user-service", "api", "DATABASE_URL"),
        ("event-service", "scheduler", "DATABASE_URL"),
        ("delivery-service", "worker-critical", "SECRET_KEYS"),
        ("analytics-service", "consumer", "DATABASE_URL"),
    ],
)
async def test_missing_secret_is_named_until_the_container_restarts(
    service: str, role: str, lacking: str, pod: StartPod
) -> None:
    given = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "SECRET_KEYS": SECRET_KEYS}
    del given[lacking]
    started = pod(service, role, given, SETTINGS_GRACE_SECONDS="300")
    (reason,) = (await started.ready()).items()
    assert reason[0] == lacking
    assert reason[1].endswith("set it in the environment or the Secret, and restart")
    told = started.log.read_text().splitlines()[0]
    assert told.startswith(f"{service}: setting {lacking}: ")
    assert "Traceback" not in started.log.read_text()
    started.child.terminate()
    assert await started.child.ended(10)
    assert started.child.exit_code == 2


@pytest.mark.thorough
async def test_without_a_secret_a_process_ends_after_its_grace_with_the_reason(pod: StartPod) -> None:
    started = pod("delivery-service", "relay", SETTINGS_GRACE_SECONDS="1")
    assert await started.child.ended(SECONDS)
    assert started.child.exit_code == 2
    assert "delivery-service: setting DATABASE_URL: " in started.log.read_text()


@pytest.mark.thorough
async def test_unmigrated_database_is_reported_and_waited_for(
    pod: StartPod, database: DatabaseFactory, emulator: Emulator, aws: AwsAccount, tmp_path: Path
) -> None:
    await run_once("topology", ["chassis", "topology", "apply"], aws.environment(), tmp_path / "topology.log")
    url = await database("")
    started = pod("user-service", "relay", aws.environment(), DATABASE_URL=url)
    assert (await started.ready()) == {"database": "the database has no schema: run the `migrate` command"}
    await upgrade(url, ROOT / "services" / "user-service" / "migrations")
    await started.becomes_ready()
    waiting = [line for line in started.log.read_text().splitlines() if "waiting for the database" in line]
    assert waiting
    assert all("run the `migrate` command" in line for line in waiting)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("service", "role", "missing"),
    [
        ("user-service", "relay", {"topic bday-domain-events"}),
        (
            "event-service",
            "scheduler",
            {f"topic bday-{kind}-events" for kind in ("birthday", "anniversary", "reminder", "notification")},
        ),
        ("event-service", "consumer", {"queue bday-user-events", "queue bday-delivery-outcomes"}),
        ("delivery-service", "worker-low", {"queue bday-events-low"}),
        ("delivery-service", "relay", {"topic bday-domain-events", "topic bday-dlq-events"}),
        ("analytics-service", "consumer", {"queue bday-analytics", "queue bday-dlq-alerts"}),
    ],
)
async def test_a_topic_or_queue_that_is_not_there_is_named_and_waited_for(
    service: str,
    role: str,
    missing: set[str],
    pod: StartPod,
    database: DatabaseFactory,
    aws: AwsAccount,
    tmp_path: Path,
) -> None:
    started = pod(service, role, aws.environment(), DATABASE_URL=await database(service), SECRET_KEYS=SECRET_KEYS)
    reasons = set((await started.ready()).values())
    fix = "does not exist: apply the topology (`python -m chassis topology apply`)"
    assert reasons == {f"{each} {fix}" for each in missing}
    await run_once("topology", ["chassis", "topology", "apply"], aws.environment(), tmp_path / "topology.log")
    await started.becomes_ready()


@pytest.mark.thorough
async def test_jobs_applied_before_their_dependencies_wait_and_report_it(tmp_path: Path) -> None:
    """The migration before PostgreSQL and its database, the topology before the bus."""
    server = PostgresServer(tmp_path / "pg", ports.free_port(), NOT_DURABLE)
    bus = Emulator(ports.free_port())
    account = AwsAccount(endpoint_url=bus.url)
    url = f"postgresql://postgres@{ports.LOOPBACK}:{server.port}/user_service"
    logs = tmp_path / "migrate.log", tmp_path / "topology.log"
    jobs = (
        run_once("migrate", ["user_service", "migrate", "--wait", "60"], {"DATABASE_URL": url}, logs[0]),
        run_once("topology", ["chassis", "topology", "apply", "--wait", "60"], account.environment(), logs[1]),
    )
    try:
        running = asyncio.gather(*jobs)
        for log in logs:
            await eventually(partial(_waits, log), SECONDS)
        await asyncio.to_thread(server.start)
        await eventually(lambda: "does not exist" in logs[0].read_text(), SECONDS)
        await server.create_database("user_service")
        await asyncio.to_thread(bus.start)
        await asyncio.wait_for(running, SECONDS)
    finally:
        bus.kill()
        server.kill()
    assert '"migrated"' in logs[0].read_text()
    assert "created bday-events-critical" in logs[1].read_text()
    assert "Traceback" not in logs[0].read_text() + logs[1].read_text()


@pytest.mark.thorough
async def test_a_job_does_not_wait_for_what_will_not_come(tmp_path: Path, postgres: PostgresServer) -> None:
    log = tmp_path / "migrate.log"
    url = f"postgresql://nobody-knows@{ports.LOOPBACK}:{postgres.port}/postgres"
    child = Child(
        Command(
            "migrate",
            [str(ROOT / ".venv/bin/python"), "-m", "user_service", "migrate", "--wait", "60"],
            log,
            {"DATABASE_URL": url},
        )
    )
    assert await child.ended(SECONDS / 2)
    assert child.exit_code == 1
    assert 'role "nobody-knows" does not exist' in log.read_text()
