"""PostgreSQL and the emulator as child processes: they keep what they should over stops and kills."""

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from local_stack import ports
from local_stack.child import StartupError
from local_stack.emulator import Emulator
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import AwsAccount, eventually


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    # A path that no Unix socket could have.
    server = PostgresServer(tmp_path / ("long" * 30) / "data", ports.free_port(), NOT_DURABLE)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_emulator(tmp_path: Path) -> Iterator[Emulator]:
    server = Emulator(ports.free_port(), tmp_path / "state")
    server.start()
    yield server
    server.kill()


async def _rows(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM kept")
        return count
    finally:
        await connection.close()


async def test_committed_rows_survive_a_kill_of_postgresql(own_postgres: PostgresServer) -> None:
    url = await own_postgres.create_database("first")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100)")
    own_postgres.kill()
    connection.terminate()
    own_postgres.start()
    assert await _rows(url) == 100


async def test_a_database_is_cloned_from_a_template(own_postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(await own_postgres.create_database("original"))
    await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 3)")
    await connection.close()
    assert await _rows(await own_postgres.create_database("clone", template="original")) == 3
    await own_postgres.drop_database("clone")
    assert "clone" not in await own_postgres.databases()


async def test_a_stale_pid_file_of_another_process_does_not_hinder_the_start(own_postgres: PostgresServer) -> None:
    own_postgres.stop()
    stale = own_postgres.data_dir / "postmaster.pid"
    stale.write_text(f"{psutil.Process().ppid()}\n{own_postgres.data_dir}\n")
    own_postgres.start()
    assert "postgres" in await own_postgres.databases()


async def test_an_orphaned_server_on_the_same_data_is_stopped_first(own_postgres: PostgresServer) -> None:
    orphan = int((own_postgres.data_dir / "postmaster.pid").read_text().splitlines()[0])
    heir = PostgresServer(own_postgres.data_dir, own_postgres.port, NOT_DURABLE)
    heir.start()
    try:
        assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
        assert "postgres" in await heir.databases()
    finally:
        heir.stop()


def test_a_server_that_cannot_start_says_what_its_log_says(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "data", ports.free_port(), {"shared_buffers": "nonsense"})
    with pytest.raises(StartupError, match="nonsense"):
        server.start()


async def test_messages_survive_a_clean_stop_of_the_emulator_even_while_a_client_waits(own_emulator: Emulator) -> None:
    account = AwsAccount(own_emulator.url)
    async with account.client("sqs") as sqs:
        queue = (await sqs.create_queue(QueueName="q"))["QueueUrl"]
        await sqs.send_message(QueueUrl=queue, MessageBody="kept")
        own_emulator.restart()
        assert own_emulator.kept_its_state
        received = await sqs.receive_message(QueueUrl=queue)
        assert [message["Body"] for message in received["Messages"]] == ["kept"]


async def test_a_killed_emulator_starts_empty_and_not_with_what_an_earlier_stop_saved(own_emulator: Emulator) -> None:
    account = AwsAccount(own_emulator.url)
    async with account.client("sqs") as sqs, account.client("sns") as sns:
        await sqs.create_queue(QueueName="q")
        topic = (await sns.create_topic(Name="t"))["TopicArn"]
        own_emulator.restart()
        assert [each["TopicArn"] for each in (await sns.list_topics())["Topics"]] == [topic]
        own_emulator.kill()
        own_emulator.start()
        assert not own_emulator.kept_its_state
        assert not (await sqs.list_queues()).get("QueueUrls")


async def test_a_killed_server_frees_its_port(own_emulator: Emulator) -> None:
    own_emulator.kill()
    await eventually(lambda: ports.is_free(own_emulator.port))
    with socket.socket() as heir:
        heir.bind((ports.LOOPBACK, own_emulator.port))
