"""Migrations: alembic over asyncpg, one runner at a time.

A service's ``migrations/env.py`` only calls :func:`run_environment`. Migrations expand, then contract: the previous
version of the code must run on the new schema. What a later revision does take away it names in ``takes_away``, with
the reason why no running code needs it any more (``docs/operations.md``, Change a schema).

A statement that waits for a lock blocks every query that comes after it. So a migration waits at most 2 s for a lock,
then rolls back, lets the others pass, and tries again after 1 s, 2 s, 4 s, … up to 15 s, for 15 minutes in all.
"""

import asyncio
import time
from pathlib import Path

import asyncpg
import structlog
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis.database import revisions
from chassis.database.engine import create_engine

log = structlog.get_logger(__name__)

_LOCK = 0x616C6D61  # "alma": a number of our own for the advisory lock that lets one runner in
_LONGEST_PAUSE_SECONDS = 15.0


async def upgrade(
    database_url: str,
    migrations: Path,
    to: str = "head",
    *,
    lock_timeout_seconds: float = 2.0,
    give_up_seconds: float = 900.0,
) -> None:
    """Bring the database to a revision, the newest by default. Concurrent runners wait for each other.

    A database at a revision that this code does not know is newer, as after a rollback of the code: it is not changed.

    Raises:
        asyncpg.LockNotAvailableError: a lock was not to be had for ``give_up_seconds``; nothing is kept.
        sqlalchemy.exc.DBAPIError: the database is unreachable or a migration failed; nothing of it is kept.
    """
    # As if behind a pooler, for it may be: what a runner prepares would stay there, and the next one trip over it.
    engine = create_engine(database_url, pool_size=0, pooler=True, application_name="migrate", command_seconds=None)
    deadline = time.monotonic() + give_up_seconds
    pause = min(1.0, lock_timeout_seconds)
    try:
        while True:
            try:
                return await _upgrade(engine, migrations, to, lock_timeout_seconds)
            except (DBAPIError, asyncpg.LockNotAvailableError) as error:
                if not _lock_not_available(error) or time.monotonic() + pause > deadline:
                    raise
            log.warning("migration waits for a lock", next_try_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    finally:
        await engine.dispose()


async def _upgrade(engine: AsyncEngine, migrations: Path, to: str, lock_timeout_seconds: float) -> None:
    config = _config(migrations)

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, to)

    async with engine.begin() as connection:
        # Before the time limit is set: another runner may take minutes.
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if (newer := await _unknown_revision(connection, migrations)) is not None:
            log.warning("the database has a newer schema than this version: nothing to migrate", revision=newer)
            return
        milliseconds = round(1000 * lock_timeout_seconds)
        await connection.execute(
            text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": f"{milliseconds}ms"}
        )
        await connection.run_sync(run)


async def _unknown_revision(connection: AsyncConnection, migrations: Path) -> str | None:
    """The database's revision where this code does not have it, else None."""
    current = await revisions.current(connection)
    return None if current is None or current in revisions.read(migrations) else current


def _lock_not_available(error: Exception) -> bool:
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    return isinstance(cause, asyncpg.LockNotAvailableError)


def run_environment() -> None:
    """What alembic runs for every service: all pending revisions in the caller's one transaction."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()


def execute_script(script: str) -> None:
    """Run several statements in the migration's transaction; for use in a revision's ``upgrade``."""
    # A prepared statement holds one command; asyncpg's own execute sends the script as it is.
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("no connection: revisions run through chassis.database.migrations.upgrade")
    connection.run_async(lambda driver: driver.execute(script))


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    return config
