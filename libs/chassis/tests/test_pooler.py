"""Everything that the chassis does with PostgreSQL, through a pooler that gives a session to a transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from chassis.core.lifecycle import run_roles
from chassis.core.settings import ServiceSettings
from chassis.database import inbox, migrations, revisions
from chassis.database.clock import ClockMap, DatabaseClock, write_clock_map
from chassis.database.database import Database, is_outage
from chassis.database.leases import Lease
from chassis.database.notifications import Listener, notify
from chassis.database.schema import CREATE_V1, CREATE_V2, CREATE_V3, CREATE_V4
from chassis.messaging.bus import Bus
from chassis.messaging.domain import ReceivedItem, domain_handler
from chassis.messaging.outbox import COPY_FROM
from chassis.service.runtime import Runtime, open_runtime
from contracts import MessageType, UserDeletedItem
from local_stack import ports
from local_stack.pooler import MISSING, PGBOUNCER, Pooler
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import eventually
from testkit.polling import DEADLINE_SECONDS

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason=MISSING)

SESSIONS = 3
TASKS = 20


@pytest.fixture
def pooler(postgres: PostgresServer, tmp_path: Path) -> Iterator[Pooler]:
    running = Pooler(postgres, tmp_path / "pooler", ports.free_port(), sessions=SESSIONS)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def pooled_url(pooler: Pooler, url: str) -> str:
    """The database with the chassis' tables, through the pooler."""
    return pooler.url(url.rsplit("/", 1)[1])


@pytest.fixture
async def pooled(pooled_url: str) -> AsyncIterator[Database]:
    opened = Database(pooled_url, pooler=True, pool_size=TASKS)
    yield opened
    await opened.close()


async def _left_in_sessions(url: str) -> list[Any]:
    """What transactions have left in the pooler's sessions: prepared statements, settings, locks, listening."""
    clients = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(SESSIONS)]
    transactions = [client.transaction() for client in clients]
    for transaction in transactions:  # all at once: so they are in different sessions
        await transaction.start()
    left: list[Any] = []
    for client in clients:
        left += await client.fetch("SELECT statement FROM pg_prepared_statements WHERE name <> ''")
        left += await client.fetch("SELECT name, setting FROM pg_settings WHERE source = 'session' AND name = 'jit'")
        left += await client.fetch("SELECT channel FROM pg_listening_channels() AS channel")
        left += await client.fetch("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    for client in clients:
        await client.close()
    return left


async def test_many_tasks_share_few_sessions_without_a_trace_of_each_other(pooled: Database, pooled_url: str) -> None:
    seen: list[int] = []
    pids: set[int] = set()

    async def work(number: int) -> None:
        for step in range(10):
            async with pooled.transaction() as tx:
                pids.add((await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one())
                items = [UUID(int=number * 1000 + step), UUID(int=step)]
                seen.append(len(await inbox.unseen(tx, items)))
                await tx.execute(
                    text("INSERT INTO leases VALUES (:n, :h, now())"),
                    [{"n": f"{number}-{step}-{part}", "h": uuid4()} for part in range(3)],
                )
            async with pooled.read() as connection:
                row = (
                    await connection.execute(
                        text("SELECT CAST(CAST(:j AS text) AS jsonb) AS j, CAST(:a AS text[]) AS a, now() AS t"),
                        {"j": '{"n": 1}', "a": ["x"]},
                    )
                ).one()
                assert (row.j, row.a) == ({"n": 1}, ["x"])

    await asyncio.gather(*(work(number) for number in range(1, TASKS + 1)))
    assert sum(seen) == TASKS * 10 + 10
    assert len(pids) == SESSIONS
    assert await _left_in_sessions(pooled_url) == []


async def test_migrations_run_through_a_pooler_again_and_again_and_leave_nothing_prepared(
    pooled_url: str, tmp_path: Path
) -> None:
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text("from chassis.database.migrations import run_environment\n\nrun_environment()\n")
    (scripts / "versions" / "0001.py").write_text(
        "from chassis.database.migrations import execute_script\n\n"
        'revision = "0001"\ndown_revision = None\n\n\n'
        f"def upgrade() -> None:\n    execute_script({CREATE_V1 + CREATE_V2 + CREATE_V3 + CREATE_V4!r})\n"
    )
    fresh = Database(pooled_url, pooler=True)
    async with fresh.transaction() as tx:
        await tx.execute(text("DROP SCHEMA public CASCADE"))
        await tx.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(migrations.upgrade(pooled_url, scripts) for _ in range(3)))
    assert await revisions.pending(fresh, scripts) is None
    await fresh.close()
    assert await _left_in_sessions(pooled_url) == []


async def test_a_lease_has_one_holder_through_a_pooler(pooled: Database) -> None:
    leases = [Lease(pooled, "job", seconds=60) for _ in range(TASKS)]
    held = await asyncio.gather(*(lease.held() for lease in leases))
    assert held.count(True) == 1
    await leases[held.index(True)].release()
    assert await leases[held.index(False)].held()


async def test_the_clock_is_measured_and_mapped_through_a_pooler(pooled: Database) -> None:
    clock = DatabaseClock(pooled, time_lapse=True)
    await clock.refresh()
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1
    frozen = datetime(2027, 2, 28, 9, tzinfo=UTC)
    async with pooled.transaction() as tx:
        await write_clock_map(tx, ClockMap(datetime.now(UTC), frozen, speed=0))
    await clock.refresh()
    assert clock.now() == frozen


async def test_a_notification_passes_a_pooler_to_a_listener_at_the_primary(pooled: Database, url: str) -> None:
    listener = Listener(url, application_name="listener-test")
    due, stopping = listener.event("due"), asyncio.Event()
    role = asyncio.create_task(listener.run(stopping))
    await asyncio.wait_for(due.wait(), DEADLINE_SECONDS)
    due.clear()
    async with pooled.transaction() as tx:
        await notify(tx, "due")
    await asyncio.wait_for(due.wait(), DEADLINE_SECONDS)
    stopping.set()
    await role


async def test_the_pooler_may_restart_at_any_moment(pooled: Database, pooler: Pooler) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with pooled.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            pooler.kill()
            await tx.execute(text("SELECT 1"))
    assert is_outage(raised.value)
    assert not pooled.available
    await asyncio.to_thread(pooler.start)
    await asyncio.wait_for(pooled.wait_available(), DEADLINE_SECONDS)
    await pooled.ping()


async def test_database_outage_behind_a_pooler_is_detected_and_passes(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "pg", ports.free_port(), NOT_DURABLE)
    await asyncio.to_thread(server.start)
    await server.create_database("mine")
    pooler = Pooler(server, tmp_path / "pooler", ports.free_port())
    await asyncio.to_thread(pooler.start)
    database = Database(pooler.url("mine"), pooler=True)
    try:
        await database.ping()
        server.kill()
        with pytest.raises((DBAPIError, OSError)) as raised:
            await database.ping()
        assert is_outage(raised.value)
        assert not database.available
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(database.wait_available(), 20)
        await database.ping()
    finally:
        await database.close()
        pooler.kill()
        await asyncio.to_thread(server.stop)


async def _append(runtime: Runtime[ServiceSettings], *items: UserDeletedItem) -> None:
    async with runtime.database.transaction() as tx:
        await runtime.outbox.append(tx, [(MessageType.USER_DELETED, item) for item in items])


async def test_items_travel_from_outbox_to_inbox_by_two_processes_behind_a_pooler(
    settings: ServiceSettings, bus: Bus, pooled_url: str
) -> None:
    """Two runtimes relay and consume; each item is applied once."""
    behind = ServiceSettings.model_validate(
        {**settings.model_dump(), "database_url": pooled_url, "database_pooler": True}
    )
    items = [UserDeletedItem(item_id=uuid7(), user_id=uuid4(), version=2) for _ in range(60 + COPY_FROM)]
    applied: list[UUID] = []
    stopping = asyncio.Event()

    def subscriber(database: Database) -> Callable[[Sequence[ReceivedItem]], Awaitable[None]]:
        async def apply(received: Sequence[ReceivedItem]) -> None:
            async with database.transaction() as tx:
                unseen = await inbox.unseen(tx, [each.item_id for each in received])
            applied.extend(unseen)

        return apply

    async with open_runtime(behind, name="one") as one, open_runtime(behind, name="two") as two:
        queue = bus.topology.queue("analytics")
        roles = []
        for runtime in (one, two):
            roles += [
                *runtime.relay(),
                *runtime.consume(queue, domain_handler(queue.name, subscriber(runtime.database))),
            ]
        running = asyncio.create_task(run_roles(roles, grace_seconds=10, stopping=stopping))
        singles = zip((one, two) * 30, items[:60], strict=True)
        await asyncio.gather(*(_append(runtime, item) for runtime, item in singles), _append(one, *items[60:]))
        await eventually(lambda: len(applied) >= len(items))
        stopping.set()
        assert await running == 0
    assert sorted(applied) == sorted(item.item_id for item in items)
    assert await _left_in_sessions(pooled_url) == []
