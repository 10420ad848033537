"""Waking other processes through PostgreSQL's LISTEN and NOTIFY (docs/architecture.md#facts-that-bite).

A notification only ends a wait early: who waits polls as well, for one can be lost with the connection. Send few:
commits that notify wait for each other.
"""

import asyncio
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.core.lifecycle import Loop, first_of
from chassis.database.database import Transaction
from chassis.database.engine import create_engine

log = structlog.get_logger(__name__)

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")
CHECK_SECONDS = 15.0
"""A connection that is silently gone is noticed after so long, and as long again for the answer."""
RECONNECT_SECONDS = 0.1


async def notify(tx: Transaction, channel: str, payload: str = "") -> None:
    """Wake every listener of ``channel`` once ``tx`` is committed. ``payload`` is for a person who listens."""
    await tx.execute(_NOTIFY, {"channel": channel, "payload": payload})


class Listener:
    """A role that sets events when their channels are notified, through one connection of its own.

    Args:
        url: of the primary itself; None where only a transaction pooler is known, which LISTEN does not pass. Then
            no waiter is ever woken and all poll.
    """

    name = "listener"

    def __init__(self, url: str | None, *, application_name: str) -> None:
        self._engine = create_engine(url, pool_size=0, pooler=False, application_name=application_name) if url else None
        self._events: dict[str, asyncio.Event] = {}

    def event(self, channel: str) -> asyncio.Event:
        """The event of a channel, to be asked for before the role runs. The waiter clears it."""
        return self._events.setdefault(channel, asyncio.Event())

    @property
    def channels(self) -> list[str]:
        return list(self._events)

    async def run(self, stopping: asyncio.Event) -> None:
        engine = self._engine
        if engine is None:
            log.info("not listening; notifications are polled for", channels=self.channels)
            return
        await Loop(self.name, lambda: self._connected(engine, stopping)).run(stopping)
        await engine.dispose()

    async def _connected(self, engine: AsyncEngine, stopping: asyncio.Event) -> float:
        """Listen until stopping or until the connection ends. Returns the seconds to wait before the next."""
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            ended = asyncio.Event()
            driver.add_termination_listener(lambda _: ended.set())
            try:
                for channel in self._events:
                    await driver.add_listener(channel, self._heard)
                log.info("listening", channels=self.channels)
                for event in self._events.values():
                    event.set()  # notifications sent without a listener are not repeated
                while not (stopping.is_set() or ended.is_set()):
                    await first_of(stopping.wait(), ended.wait(), timeout=CHECK_SECONDS)
                    if not (stopping.is_set() or ended.is_set()):
                        await driver.execute("SELECT 1", timeout=CHECK_SECONDS)
            finally:
                driver.terminate()  # whatever state it is in: nothing is open on it
        if not stopping.is_set():
            log.warning("listener lost its connection")
        return RECONNECT_SECONDS

    def _heard(self, _connection: object, _pid: int, channel: str, _payload: str) -> None:
        self._events[channel].set()
