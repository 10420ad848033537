"""Migrations: alembic over asyncpg, one runner at a time.

A service's ``migrations/env.py`` only calls :func:`run_environment`. Migrations expand, then contract: the previous
version of the code must run on the new schema. What a later revision does take away it names in ``takes_away``, with
the reason why nobody misses it any more (``docs/operations.md``, Change a schema).
"""

from pathlib import Path

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection, text

from chassis.engine import create_engine

_LOCK = 0x616C6D61  # "alma": a number of our own for the advisory lock that lets one runner in


async def upgrade(database_url: str, migrations: Path, to: str = "head") -> None:
    """Bring the database to a revision, the newest by default. Concurrent runners wait for each other.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away or a migration failed; nothing of it is kept.
    """
    # As if behind a pooler, for it may be: what a runner prepares would stay there, and the next one trip over it.
    engine = create_engine(database_url, pool_size=0, pooler=True, application_name="migrate", command_seconds=None)
    config = _config(migrations)

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, to)

    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def run_environment() -> None:
    """What alembic runs for every service: all pending revisions in the caller's one transaction."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()


def execute_script(script: str) -> None:
    """Run several statements in the migration's transaction; for use in a revision's ``upgrade``."""
    # A prepared statement holds one command; asyncpg's own execute sends the script as it is.
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("no connection: revisions run through chassis.migrations.upgrade")
    connection.run_async(lambda driver: driver.execute(script))


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    return config
