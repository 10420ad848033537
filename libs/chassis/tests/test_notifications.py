"""Waking through LISTEN and NOTIFY, over restarts, and doing without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import structlog
from sqlalchemy import text

from chassis.core.settings import ServiceSettings
from chassis.database.database import Database
from chassis.database.notifications import Listener, notify
from chassis.service.runtime import open_runtime
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit.polling import DEADLINE_SECONDS

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'listener-test'"


@asynccontextmanager
async def _listening(listener: Listener, *events: asyncio.Event) -> AsyncIterator[None]:
    """The role runs for the block, from the moment that it listens."""
    stopping = asyncio.Event()
    role = asyncio.create_task(listener.run(stopping))
    try:
        for event in events:
            await _woken(event)
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(role, DEADLINE_SECONDS)


async def _woken(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), DEADLINE_SECONDS)
    event.clear()


async def _notify(database: Database, channel: str) -> None:
    async with database.transaction() as tx:
        await notify(tx, channel)


async def test_a_notification_wakes_those_who_wait_on_its_channel_once_it_is_committed(db: Database, url: str) -> None:
    listener = Listener(url, application_name="listener-test")
    due, other = listener.event("due"), listener.event("Other Channel")
    async with _listening(listener, due, other):
        async with db.transaction() as tx:
            await notify(tx, "due", "2027-02-28T09:00:00Z")
            await tx.execute(text("SELECT 1"))
            assert not due.is_set()
        await _woken(due)
        assert not other.is_set()
        await _notify(db, "Other Channel")
        await _woken(other)
        assert not due.is_set()


async def test_rolled_back_notification_wakes_no_loop(db: Database, url: str) -> None:
    listener = Listener(url, application_name="listener-test")
    due, after = listener.event("due"), listener.event("after")
    async with _listening(listener, due, after):
        with pytest.raises(KeyError):
            async with db.transaction() as tx:
                await notify(tx, "due")
                raise KeyError
        await _notify(db, "after")
        await _woken(after)
        assert not due.is_set()


async def test_a_listener_whose_session_is_ended_connects_again_and_wakes_for_what_it_missed(
    db: Database, url: str
) -> None:
    listener = Listener(url, application_name="listener-test")
    due = listener.event("due")
    async with _listening(listener, due):
        killer = await asyncpg.connect(url)
        pid = await killer.fetchval(SESSIONS)
        await killer.execute("SELECT pg_terminate_backend($1)", pid)
        await _woken(due)
        assert await killer.fetchval(SESSIONS) not in (None, pid)
        await killer.close()
        await _notify(db, "due")
        await _woken(due)


async def test_a_listener_survives_a_restart_of_postgresql(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "pg", ports.free_port(), NOT_DURABLE)
    await asyncio.to_thread(server.start)
    url = await server.create_database("mine")
    database = Database(url)
    listener = Listener(url, application_name="listener-test")
    due = listener.event("due")
    try:
        async with _listening(listener, due):
            with structlog.testing.capture_logs() as logs:
                server.kill()
                await asyncio.to_thread(server.start)
                await _woken(due)
            assert "listener lost its connection" in [entry["event"] for entry in logs]
            await _notify(database, "due")
            await _woken(due)
    finally:
        await database.close()
        await asyncio.to_thread(server.stop)


async def test_a_listener_leaves_no_session_behind(url: str) -> None:
    listener = Listener(url, application_name="listener-test")
    async with _listening(listener, listener.event("due")):
        pass
    observer = await asyncpg.connect(url)
    async with asyncio.timeout(10):
        while await observer.fetchval(SESSIONS):
            await observer.execute("SELECT pg_stat_clear_snapshot()")
    await observer.close()


async def test_a_process_listens_at_its_database(settings: ServiceSettings) -> None:
    async with open_runtime(settings, name="listener-test") as runtime:
        due = runtime.listener.event("due")
        async with _listening(runtime.listener, due):
            await _notify(runtime.database, "due")
            await _woken(due)


async def test_process_behind_a_pooler_runs_without_listening(settings: ServiceSettings) -> None:
    behind = settings.model_copy(update={"database_pooler": True})
    async with open_runtime(behind, name="listener-test") as runtime:
        due = runtime.listener.event("due")
        await asyncio.wait_for(runtime.listener.run(asyncio.Event()), DEADLINE_SECONDS)
        assert not due.is_set()
        await _notify(runtime.database, "due")


async def test_behind_a_pooler_the_primarys_own_address_is_listened_at(settings: ServiceSettings, url: str) -> None:
    behind = ServiceSettings.model_validate({**settings.model_dump(), "database_pooler": True, "listen_url": url})
    async with open_runtime(behind, name="listener-test") as runtime:
        due = runtime.listener.event("due")
        async with _listening(runtime.listener, due):
            await _notify(runtime.database, "due")
            await _woken(due)
