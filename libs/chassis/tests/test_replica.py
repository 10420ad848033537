"""Reads that may be a moment old, on a real streaming replica."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import structlog
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis.core.settings import ServiceSettings
from chassis.database import replica
from chassis.database.database import Database
from chassis.service.runtime import open_runtime
from local_stack import ports
from local_stack.child import tail
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit import eventually

ON_REPLICA = text("SELECT pg_is_in_recovery()")


@pytest.fixture
def standby(postgres: PostgresServer, tmp_path: Path) -> Iterator[StandbyServer]:
    """A replica of the test's own."""
    server = StandbyServer(postgres, tmp_path / "standby", ports.free_port())
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def _using(url: str, server: StandbyServer) -> AsyncIterator[Database]:
    """A database with a replica that has been measured and is in use."""
    database = Database(url, replica_url=server.url(url.rsplit("/", 1)[1]))
    try:
        await eventually(lambda: _on_replica(database))
        yield database
    except AssertionError as error:
        error.add_note(f"the standby's log ends:\n{tail(server.log)}")
        raise
    finally:
        await database.close()


@pytest.fixture
async def calm(url: str, shared_standby: StandbyServer) -> AsyncIterator[Database]:
    """With a replica that stays as it is."""
    async with _using(url, shared_standby) as database:
        yield database


@pytest.fixture
async def replicated(url: str, standby: StandbyServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """With the test's own replica."""
    monkeypatch.setattr(replica, "COMMAND_SECONDS", 1.5)
    async with _using(url, standby) as database:
        yield database


async def _on_replica(database: Database) -> bool:
    """Where a read that may be stale is answered."""
    async with database.read_stale() as reader:
        return bool((await reader.execute(ON_REPLICA)).scalar_one())


async def _on_primary(database: Database) -> bool:
    return not await _on_replica(database)


async def _remember(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("INSERT INTO inbox (item_id) VALUES (gen_random_uuid())"))


async def _tell(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute(statement)
    await connection.close()


def _usable(database: Database) -> bool:
    assert database.replica is not None
    return database.replica.usable


def _lag(database: Database) -> float:
    assert database.replica is not None
    lag = database.replica.lag_seconds
    assert lag is not None
    return lag


async def test_reads_that_may_be_stale_go_to_the_replica_and_all_else_to_the_primary(calm: Database) -> None:
    async with calm.read() as connection:
        assert not (await connection.execute(ON_REPLICA)).scalar_one()
    async with calm.transaction() as tx:
        assert not (await tx.execute(ON_REPLICA)).scalar_one()
    assert await _on_replica(calm)


async def test_without_a_replica_every_read_goes_to_the_primary(db: Database) -> None:
    assert await _on_primary(db)


async def test_a_paused_replay_is_lag_that_grows_and_sends_readers_to_the_primary_until_it_resumes(
    replicated: Database, standby: StandbyServer
) -> None:
    await _tell(standby, "SELECT pg_wal_replay_pause()")
    await _remember(replicated)
    await eventually(lambda: _on_primary(replicated))
    async with replicated.read_stale() as reader:
        assert (await reader.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 1
    lag = _lag(replicated)
    assert lag > 1
    await eventually(lambda: _lag(replicated) > lag + 0.5)
    await _tell(standby, "SELECT pg_wal_replay_resume()")
    await eventually(lambda: _on_replica(replicated))
    await eventually(lambda: _lag(replicated) == 0)


async def test_an_idle_primary_is_no_lag(calm: Database) -> None:
    await _remember(calm)
    last_write_ago = text("SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())")

    async def idle() -> bool:
        assert await _on_replica(calm)
        async with calm.read_stale() as reader:
            return bool(((await reader.execute(last_write_ago)).scalar_one() or 0) > 1.5)

    await eventually(idle)
    await eventually(lambda: _lag(calm) == 0)


async def test_a_replica_that_receives_nothing_is_behind(replicated: Database, standby: StandbyServer) -> None:
    """What it received it has replayed: only the primary knows that there is more."""
    await _tell(standby, "ALTER SYSTEM SET primary_conninfo = ''")
    await _tell(standby, "SELECT pg_reload_conf()")
    observer = await asyncpg.connect(standby.url("postgres"))
    await eventually(lambda: observer.fetchval("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"))
    await observer.close()
    await _remember(replicated)
    await eventually(lambda: _on_primary(replicated))


async def test_a_replica_that_is_killed_fails_no_read_and_is_used_again_when_it_is_back(
    replicated: Database, standby: StandbyServer
) -> None:
    async with replicated.read_stale() as reader:
        assert (await reader.execute(ON_REPLICA)).scalar_one()
        standby.kill()
        assert not (await reader.execute(ON_REPLICA)).scalar_one()
    assert await asyncio.gather(*(_on_primary(replicated) for _ in range(20))) == [True] * 20
    assert replicated.available
    await asyncio.to_thread(standby.start)
    await eventually(lambda: _on_replica(replicated))


async def test_hanging_replica_fails_no_read_and_delays_only_reads_in_progress(
    replicated: Database, standby: StandbyServer
) -> None:
    postmaster = psutil.Process(int((standby.data_dir / "postmaster.pid").read_text().split()[0]))
    async with asyncio.timeout(20), replicated.read_stale() as reader:
        assert (await reader.execute(ON_REPLICA)).scalar_one()
        for process in (postmaster, *postmaster.children()):
            process.suspend()
        in_hand = asyncio.ensure_future(reader.execute(ON_REPLICA))
        await eventually(lambda: not _usable(replicated))
        assert await asyncio.gather(*(asyncio.wait_for(_on_primary(replicated), 1) for _ in range(20))) == [True] * 20
        assert not (await in_hand).scalar_one()
    assert replicated.available
    for process in (postmaster, *postmaster.children()):
        process.resume()
    await eventually(lambda: _on_replica(replicated))


async def test_a_replica_that_ends_the_sessions_of_many_readers_at_once_fails_none(
    calm: Database, shared_standby: StandbyServer
) -> None:
    together = asyncio.Barrier(5)

    async def read() -> int:
        async with calm.read_stale() as reader:
            await reader.execute(ON_REPLICA)
            await together.wait()
            await reader.execute(text("SELECT pg_sleep(0.2)"))
            value: int = (await reader.execute(text("SELECT 42"))).scalar_one()
            return value

    reads = [asyncio.create_task(read()) for _ in range(5)]
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    )
    connection = await asyncpg.connect(shared_standby.url("postgres"))
    await eventually(lambda: connection.fetchval(ended))
    await connection.close()
    assert await asyncio.gather(*reads) == [42] * 5


async def test_readers_for_whom_the_replica_has_no_connection_go_to_the_primary(
    calm: Database,
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(5):
            reader = await stack.enter_async_context(calm.read_stale())
            assert (await reader.execute(ON_REPLICA)).scalar_one()
        assert await _on_primary(calm)
        assert _usable(calm)
    assert await _on_replica(calm)


async def test_a_write_by_mistake_never_reaches_the_replica_and_is_not_kept(calm: Database) -> None:
    async with calm.read_stale() as reader:
        await reader.execute(text("INSERT INTO inbox (item_id) VALUES (gen_random_uuid())"))
        assert not (await reader.execute(ON_REPLICA)).scalar_one()
    async with calm.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 0
    assert await _on_replica(calm)


async def test_a_statement_that_is_wrong_fails_with_the_primarys_error(calm: Database) -> None:
    with pytest.raises(DBAPIError, match="division by zero"):
        async with calm.read_stale() as reader:
            await reader.execute(text("SELECT 1 / 0"))
    assert calm.available
    assert await _on_replica(calm)


async def test_a_promoted_replica_is_none_any_more(replicated: Database, standby: StandbyServer) -> None:
    with structlog.testing.capture_logs() as logs:
        await _tell(standby, "SELECT pg_promote()")
        await eventually(lambda: [entry for entry in logs if "streaming replica" in entry.get("reason", "")])
    async with replicated.read_stale() as reader:
        await _remember(replicated)
        assert (await reader.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 1


async def test_a_replica_that_never_answered_fails_nothing(url: str) -> None:
    database = Database(url, replica_url=f"postgresql://postgres@{ports.LOOPBACK}:{ports.free_port()}/away")
    try:
        assert await _on_primary(database)
        await eventually(lambda: _lag(database) > 0.1)
        assert await _on_primary(database)
    finally:
        await database.close()


async def test_a_process_reads_the_replica_that_its_settings_name_and_exports_its_lag(
    settings: ServiceSettings, standby: StandbyServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    monkeypatch.setattr(metrics, "get_meter", MeterProvider([reader]).get_meter)
    address = standby.url(url.rsplit("/", 1)[1])
    replicated = ServiceSettings.model_validate({**settings.model_dump(), "database_replica_url": address})

    def exported() -> list[tuple[str | None, float]]:
        data: Any = reader.get_metrics_data()
        return [
            (metric.unit, point.value)
            for scope in (data.resource_metrics[0].scope_metrics if data else ())
            for metric in scope.metrics
            if metric.name == "almanac_replication_lag"
            for point in metric.data.data_points
        ]

    async with open_runtime(replicated, name="sample") as runtime:
        assert exported() == []
        await eventually(lambda: _on_replica(runtime.database))
        await eventually(lambda: exported() == [("s", 0.0)])
        await _tell(standby, "SELECT pg_wal_replay_pause()")
        await _remember(runtime.database)
        await eventually(lambda: exported()[0][1] > 0.5)
