"""Transactions, and an outage as the database's users see it."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import chassis.database.database
from chassis.database.database import Database, is_outage
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import eventually
from testkit.polling import DEADLINE_SECONDS


async def test_an_outage_makes_the_database_unavailable_until_it_is_back(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "pg", ports.free_port(), NOT_DURABLE)
    await asyncio.to_thread(server.start)
    database = Database(await server.create_database("mine"))
    try:
        await database.ping()
        server.kill()
        with pytest.raises((DBAPIError, OSError)) as raised:
            await database.ping()
        assert is_outage(raised.value)
        assert not database.available
        with pytest.raises((DBAPIError, OSError)) as raised:
            await database.ping()
        assert is_outage(raised.value)
        waiting = asyncio.create_task(database.wait_available())
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(waiting, 20)
        await database.ping()
    finally:
        await database.close()
        await asyncio.to_thread(server.stop)


async def test_a_session_that_is_ended_in_the_middle_of_a_transaction_is_an_outage_and_passes(
    db: Database, url: str
) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with db.transaction() as tx:
            pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            other = await asyncpg.connect(url)
            await other.execute("SELECT pg_terminate_backend($1)", pid)
            await other.close()
            await tx.execute(text("SELECT 1"))
    assert is_outage(raised.value)
    await eventually(lambda: db.available)
    await db.ping()


async def test_silent_outage_is_detected_and_passes(db: Database) -> None:
    with pytest.raises(TimeoutError):
        async with db.transaction():
            raise TimeoutError
    assert not db.available
    await asyncio.wait_for(db.wait_available(), DEADLINE_SECONDS)


async def test_a_refused_statement_is_no_outage(db: Database) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with db.transaction() as tx:
            await tx.execute(text("SELECT 1 / 0"))
    assert not is_outage(raised.value)
    assert db.available


async def test_an_error_of_the_caller_rolls_back_and_is_no_outage(db: Database) -> None:
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO inbox (item_id) VALUES (gen_random_uuid())"))
            raise KeyError
    async with db.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 0
    assert db.available


async def test_commit_callback_runs_once_after_the_commit(db: Database) -> None:
    calls: list[str] = []

    def call() -> None:
        calls.append("called")

    async with db.transaction() as tx:
        tx.after_commit(call)
        tx.after_commit(call)
        await tx.execute(text("SELECT 1"))
        assert calls == []
    assert calls == ["called"]


async def test_commit_callback_never_runs_after_a_rollback(db: Database) -> None:
    calls: list[str] = []
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            tx.after_commit(lambda: calls.append("called"))
            raise KeyError
    assert calls == []


async def test_commit_callback_never_runs_when_the_commit_fails(db: Database) -> None:
    calls: list[str] = []
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(IntegrityError):
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO t VALUES (1), (1)"))
            tx.after_commit(lambda: calls.append("called"))
    assert calls == []


async def test_nothing_that_a_read_does_is_kept(db: Database) -> None:
    async with db.read() as connection:
        await connection.execute(text("INSERT INTO inbox (item_id) VALUES (gen_random_uuid())"))
    async with db.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 0


async def test_behind_a_pooler_no_statement_is_left_prepared(url: str) -> None:
    database = Database(url, pooler=True, pool_size=2)
    try:
        for _ in range(3):
            async with database.read() as connection:
                await connection.execute(text("SELECT CAST(:n AS int)"), {"n": 1})
        async with database.read() as connection:
            prepared = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
            assert prepared.scalar_one() <= 1  # the question itself
    finally:
        await database.close()


def _exported(reader: InMemoryMetricReader, name: str) -> list[float]:
    data: Any = reader.get_metrics_data()
    return [
        point.value
        for scope in (data.resource_metrics[0].scope_metrics if data else ())
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


async def test_connections_that_fail_or_do_not_come_free_are_counted_from_zero(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader]).get_meter("test").create_counter("errors")
    monkeypatch.setattr(chassis.database.database, "_connection_errors", counter)
    away = Database(f"postgresql://nobody@127.0.0.1:{ports.free_port()}/nothing")
    full = Database(url, pool_size=1)
    full.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    try:
        assert _exported(reader, "errors") == [0]
        with pytest.raises(OSError):
            await away.ping()
        assert _exported(reader, "errors")[0] >= 1
        counted = _exported(reader, "errors")[0]
        async with full.read():
            with pytest.raises(PoolTimeoutError):
                await full.ping()
        assert _exported(reader, "errors")[0] > counted
        assert full.available
    finally:
        await away.close()
        await full.close()
