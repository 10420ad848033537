"""A replica that stands still, so that a test can tell from an answer which server gave it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from chassis.database.database import Database
from local_stack.postgres import PostgresServer
from local_stack.standby import StandbyServer
from testkit.polling import eventually


@asynccontextmanager
async def frozen_replica(database: Database, primary: PostgresServer, standby: StandbyServer) -> AsyncIterator[None]:
    """In the block, `standby` shows what was committed before it, and nothing later; `database` reads it.

    The database's greatest lag has to be longer than the test: the default allows a second.
    """
    replica = database.replica
    if replica is None:
        raise ValueError("the database has no replica")
    there = await asyncpg.connect(standby.url("postgres"))
    here = await asyncpg.connect(primary.url("postgres"))
    written = await here.fetchval("SELECT pg_current_wal_flush_lsn() - '0/0'")
    await here.close()
    await eventually(lambda: there.fetchval("SELECT pg_last_wal_replay_lsn() - '0/0' >= $1", written))
    # Not before: a measurement that fails, since the database is not there yet, is repeated in a fraction of that lag.
    await eventually(lambda: replica.usable)
    await there.execute("SELECT pg_wal_replay_pause()")
    try:
        await eventually(lambda: there.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
        yield
    finally:
        await there.execute("SELECT pg_wal_replay_resume()")
        await there.close()
