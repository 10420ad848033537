"""Migrations run once, with any number of runners, and a process detects whether they have run."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.core.lifecycle import Loop
from chassis.database import migrations, revisions
from chassis.database.database import Database
from chassis.service.runtime import Schema
from testkit import eventually
from testkit.plugin import DatabaseFactory

ENVIRONMENT = "from chassis.database.migrations import run_environment\n\nrun_environment()\n"
REVISION = """
from chassis.database.migrations import execute_script

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
    execute_script({script!r})
"""


def _add(folder: Path, revision: str, down: str | None, script: str) -> None:
    (folder / "versions" / f"{revision}.py").write_text(
        REVISION.format(revision=revision, down=repr(down), script=script)
    )


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Two revisions, the first of several statements."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT)
    _add(folder, "0001", None, "CREATE TABLE a (n int); INSERT INTO a VALUES (1); CREATE TABLE b (n int)")
    _add(folder, "0002", "0001", "INSERT INTO a VALUES (2)")
    return folder


Fetch = Callable[[str, str], Awaitable[object]]


@pytest.fixture
def fetch() -> Fetch:
    async def value(url: str, statement: str) -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return value


async def test_upgrading_twice_is_upgrading_once(database: DatabaseFactory, scripts: Path, fetch: Fetch) -> None:
    url = await database("")
    await migrations.upgrade(url, scripts)
    await migrations.upgrade(url, scripts)
    assert await fetch(url, "SELECT array_agg(n ORDER BY n) FROM a") == [1, 2]


async def test_two_runners_at_once_upgrade_once(database: DatabaseFactory, scripts: Path, fetch: Fetch) -> None:
    url = await database("")
    await asyncio.gather(*(migrations.upgrade(url, scripts) for _ in range(3)))
    assert await fetch(url, "SELECT array_agg(n ORDER BY n) FROM a") == [1, 2]


async def test_a_failed_migration_leaves_nothing_behind(database: DatabaseFactory, scripts: Path, fetch: Fetch) -> None:
    url = await database("")
    _add(scripts, "0003", "0002", "CREATE TABLE c (n int); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrations.upgrade(url, scripts)
    assert await fetch(url, "SELECT to_regclass('a')") is None


async def test_a_process_knows_what_its_database_lacks(database: DatabaseFactory, scripts: Path) -> None:
    url = await database("")
    opened = Database(url)
    try:
        assert await revisions.pending(opened, scripts) == "the database has no schema: run the `migrate` command"
        await migrations.upgrade(url, scripts)
        assert await revisions.pending(opened, scripts) is None
        _add(scripts, "0003", "0002", "SELECT 1")
        assert await revisions.pending(opened, scripts) == (
            "the database is at revision 0002, this code needs 0003: run the `migrate` command"
        )
    finally:
        await opened.close()


async def test_the_previous_code_runs_on_a_database_that_is_further(database: DatabaseFactory, scripts: Path) -> None:
    url = await database("")
    await migrations.upgrade(url, scripts)
    (scripts / "versions" / "0002.py").unlink()
    opened = Database(url)
    try:
        assert await revisions.pending(opened, scripts) is None
    finally:
        await opened.close()


async def test_an_older_migration_job_leaves_a_newer_schema_alone(
    database: DatabaseFactory, scripts: Path, fetch: Fetch
) -> None:
    url = await database("")
    await migrations.upgrade(url, scripts)
    (scripts / "versions" / "0002.py").unlink()
    await migrations.upgrade(url, scripts)
    assert await fetch(url, "SELECT version_num FROM alembic_version") == "0002"
    # The newer version is installed again, with one more revision.
    _add(scripts, "0002", "0001", "SELECT 1 / 0")
    _add(scripts, "0003", "0002", "INSERT INTO a VALUES (3)")
    await migrations.upgrade(url, scripts)
    assert await fetch(url, "SELECT array_agg(n ORDER BY n) FROM a") == [1, 2, 3]


async def test_a_migration_behind_an_idle_reader_lets_others_read_meanwhile(
    database: DatabaseFactory, scripts: Path, fetch: Fetch
) -> None:
    url = await database("")
    await migrations.upgrade(url, scripts)
    _add(scripts, "0003", "0002", "ALTER TABLE a ADD COLUMN m int")
    idle = await asyncpg.connect(url)
    reading = idle.transaction()
    await reading.start()
    await idle.fetch("SELECT * FROM a")
    with capture_logs() as logs:
        migrating = asyncio.create_task(migrations.upgrade(url, scripts, lock_timeout_seconds=0.1))
        await eventually(lambda: [each for each in logs if each["event"] == "migration waits for a lock"])
        assert await fetch(url, "SELECT count(*) FROM a") == 2  # not queued behind the migration for long
        assert not migrating.done()
        await reading.commit()
        await migrating
    assert await fetch(url, "SELECT count(m) FROM a") == 0
    await idle.close()


async def test_a_migration_gives_up_on_a_lock_after_its_deadline(
    database: DatabaseFactory, scripts: Path, fetch: Fetch
) -> None:
    url = await database("")
    await migrations.upgrade(url, scripts)
    _add(scripts, "0003", "0002", "ALTER TABLE a ADD COLUMN m int")
    idle = await asyncpg.connect(url)
    async with idle.transaction():
        await idle.fetch("SELECT * FROM a")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrations.upgrade(url, scripts, lock_timeout_seconds=0.05, give_up_seconds=0.2)
    assert await fetch(url, "SELECT version_num FROM alembic_version") == "0002"
    await idle.close()


async def test_a_role_that_waits_for_its_database_stops_though_all_connections_are_taken(
    database: DatabaseFactory, scripts: Path
) -> None:
    only_one = Database(await database(""), pool_size=1)
    role = Schema(only_one, scripts).when_migrated(Loop("never", _never))
    stopping = asyncio.Event()
    try:
        async with only_one.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            waiting = asyncio.create_task(role.run(stopping))
            await asyncio.wait([waiting], timeout=0.1)
            assert not waiting.done()
            stopping.set()
            await asyncio.wait_for(waiting, 5)  # the pool's own limit is ten seconds
    finally:
        await only_one.close()


async def _never() -> float:
    raise AssertionError("ran without its schema")
