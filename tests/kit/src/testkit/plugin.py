"""The pytest plugin (`-p testkit.plugin`): fixtures that every test of the project may ask for.

Servers start once per session, so once per xdist worker, and only when a test asks for one. Isolation is by database
and by AWS account, both of which are fresh for every test.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psutil
import pytest

from chassis.core.gc_tuning import collect_rarely
from local_stack import ports
from local_stack.emulator import Emulator
from local_stack.postgres import NOT_DURABLE, PostgresServer
from local_stack.standby import StandbyServer
from testkit.aws import AwsAccount
from testkit.prepared_routes import share_prepared_routes
from testkit.spans import OtlpReceiver
from testkit.webhooks import Receiver

_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, wherever Linux has one
_MEMORY_PREFIX = "almanac-tests-"
_MEMORY_NEEDED = 2 * 2**30

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile("almanac", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("almanac")

DatabaseFactory = Callable[[str], Awaitable[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bus-template", type=Path, help="run the whole system on the topics and queues of a CloudFormation template"
    )


def pytest_collection_finish() -> None:
    # What was imported for thousands of tests is a million objects, and stays.
    collect_rarely()


@pytest.fixture(autouse=True, scope="session")
def _prepared_routes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_prepared_routes(patch)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running PostgreSQL of this test session. A test that kills or restarts it starts its own instead."""
    folder = _folder_in_memory() or tmp_path_factory.mktemp("postgres")
    server = PostgresServer(folder / "data", ports.free_port(), NOT_DURABLE)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_standby(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandbyServer]:
    """A replica of `postgres`, for tests that leave it as it is. One that breaks it starts its own instead."""
    server = StandbyServer(postgres, tmp_path_factory.mktemp("shared") / "standby", ports.free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A running SNS/SQS endpoint of this test session. A test that kills or restarts it starts its own instead."""
    server = Emulator(ports.free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def aws(emulator: Emulator) -> AwsAccount:
    """A fresh AWS account."""
    return AwsAccount(endpoint_url=emulator.url)


@pytest.fixture(scope="session")
def migrated_templates() -> dict[str, str]:
    """Template database by service, for those that were migrated in this session."""
    return {}


@pytest.fixture
async def database(
    postgres: PostgresServer, migrated_templates: dict[str, str], pytestconfig: pytest.Config
) -> AsyncIterator[DatabaseFactory]:
    """`await database("event-service")` gives the URL of a fresh, migrated database; `""` gives an empty one."""
    created: list[str] = []

    async def make(service: str) -> str:
        if service and service not in migrated_templates:
            migrated_templates[service] = await _migrate(postgres, pytestconfig.rootpath, service)
        name = f"{service or 'empty'}-{uuid4().hex[:12]}"
        created.append(name)
        return await postgres.create_database(name, migrated_templates.get(service))

    yield make
    for name in created:
        await postgres.drop_database(name)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook endpoint that records requests and sends scripted responses."""
    async with Receiver() as running:
        yield running


@pytest.fixture
async def otlp() -> AsyncIterator[OtlpReceiver]:
    """A span collector."""
    async with OtlpReceiver() as running:
        yield running


def _folder_in_memory() -> Path | None:
    """A folder for this process where databases are cloned in 10 ms rather than 200; None if there is little memory."""
    if not _MEMORY.exists() or shutil.disk_usage(_MEMORY).free < _MEMORY_NEEDED:
        return None
    for folder in _MEMORY.glob(f"{_MEMORY_PREFIX}*"):  # left by a session that was killed
        if not psutil.pid_exists(int(folder.name.removeprefix(_MEMORY_PREFIX))):
            shutil.rmtree(folder, ignore_errors=True)
    folder = _MEMORY / f"{_MEMORY_PREFIX}{os.getpid()}"
    folder.mkdir()
    return folder


async def _migrate(postgres: PostgresServer, root: Path, service: str) -> str:
    from chassis.database.migrations import upgrade  # here, since only tests that want a service's tables load alembic

    template = f"{service}-template"
    await upgrade(await postgres.create_database(template), root / "services" / service / "migrations")
    return template
