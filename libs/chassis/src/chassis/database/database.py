"""PostgreSQL: one engine per process, short transactions, availability (docs/architecture.md#reliability-rules)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import structlog
from opentelemetry import metrics
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.engine import create_engine, is_outage
from chassis.database.replica import Replica
from chassis.telemetry.redaction import clear_database_error

__all__ = ["Database", "Parameters", "Reader", "Rows", "Transaction", "is_outage"]

log = structlog.get_logger(__name__)

_connection_errors = metrics.get_meter("almanac.database").create_counter(
    "almanac_database_connection_errors",
    description="Connections that could not be made, were dropped, or did not become free in time",
)

COPY_TURN = 100
"""Rows that a COPY encodes before others get their turn on the event loop: less than a millisecond."""

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
Rows = CursorResult[*tuple[Any, ...]]
"""Of any number of columns."""


class Reader(Protocol):
    """What runs queries: a connection, a :class:`Transaction`, or the read of :meth:`Database.read_stale`."""

    async def execute(self, statement: Executable, parameters: Parameters = None, /) -> Rows: ...


class Transaction:
    """An open transaction. What is registered with :meth:`after_commit` runs once it is durable, never on rollback."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._callbacks: list[Callable[[], None]] = []

    async def execute(self, statement: Executable, parameters: Parameters = None) -> Rows:
        return await self.connection.execute(statement, parameters)

    async def copy(self, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """COPY tuples into a table: for thousands of rows a fraction of what an INSERT costs either side.

        Values are as asyncpg takes them for each column's type; JSON is text.

        Raises:
            asyncpg.PostgresError: a row was refused; nothing of the transaction is kept.
        """
        driver = (await self.connection.get_raw_connection()).driver_connection
        if driver is None:
            raise InvalidRequestError("the connection has been closed")
        # SQLAlchemy opens the transaction with the first statement that goes through itself.
        if not driver.is_in_transaction():
            await self.connection.execute(text("SELECT 1"))
        try:
            await driver.copy_records_to_table(table, columns=columns, records=_in_turns(records))
        except Exception as error:  # SQLAlchemy does not see it, and its text quotes the row
            clear_database_error(error)
            raise

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` after the commit. Registering the same callback twice runs it once."""
        if callback not in self._callbacks:
            self._callbacks.append(callback)

    def committed(self) -> None:
        for callback in self._callbacks:
            callback()


async def _in_turns(records: Iterable[Sequence[Any]]) -> AsyncIterator[Sequence[Any]]:
    # asyncpg encodes without a pause, and thousands of rows would hold everything else up.
    for number, record in enumerate(records, 1):
        yield record
        if number % COPY_TURN == 0:
            await asyncio.sleep(0)


class Database:
    """The service's own database.

    ``available`` turns false when a statement finds the database away and true when a probe gets through again:
    consumers ask before they receive, so that an outage of the database spends no receives.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        pooler: bool = False,
        application_name: str = "almanac",
        replica_url: str | None = None,
        replica_pool_size: int = 5,
        replica_max_lag_seconds: float = 1.0,
    ) -> None:
        self.url = url
        self.engine = create_engine(url, pool_size=pool_size, pooler=pooler, application_name=application_name)
        self.replica: Replica | None = None
        if replica_url is not None:
            self.replica = Replica(
                replica_url,
                url,
                pool_size=replica_pool_size,
                pooler=pooler,
                application_name=application_name,
                max_lag_seconds=replica_max_lag_seconds,
            )
        self._up = asyncio.Event()
        self._up.set()
        self._probe: asyncio.Task[None] | None = None
        # A counter that began with its first error would not look increased by it.
        _connection_errors.add(0)

    @property
    def available(self) -> bool:
        return self._up.is_set()

    async def wait_available(self) -> None:
        """Return once the database is believed to be there."""
        await self._up.wait()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back if it raises.

        Raises:
            sqlalchemy.exc.DBAPIError: a statement or the commit failed; :func:`is_outage` recognises an outage.
        """
        try:
            async with self.engine.begin() as connection:
                tx = Transaction(connection)
                yield tx
        except Exception as error:
            self._note(error)
            raise
        tx.committed()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to the primary for reading, which sees all that was committed. Nothing it does is kept."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except Exception as error:
            self._note(error)
            raise

    @asynccontextmanager
    async def read_stale(self) -> AsyncIterator[Reader]:
        """Queries that may see a state of up to ``replica_max_lag_seconds`` ago, for lists, histories and reports.

        They go to the replica if it is current enough when the read begins, and to the primary otherwise or from where
        the replica fails one, so that a replica never is the reason of an error. Without one this is :meth:`read`.
        """
        async with AsyncExitStack() as stack:
            yield _StaleRead(self, stack)

    async def ping(self) -> None:
        """One round trip.

        Raises:
            OSError, TimeoutError, sqlalchemy.exc.DBAPIError: the database is unreachable.
        """
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        if self.replica is not None:
            await self.replica.close()
        await self.engine.dispose()

    def _note(self, error: Exception) -> None:
        outage = is_outage(error)
        if outage or isinstance(error, PoolTimeoutError):
            _connection_errors.add(1)
        if outage and self._up.is_set():
            log.warning("database away", error=repr(error))
            self._up.clear()
            self._probe = asyncio.get_running_loop().create_task(self._wait_for_return())

    async def _wait_for_return(self) -> None:
        delay = 0.1
        while True:
            await asyncio.sleep(delay)
            try:
                async with self.engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))
            except Exception as error:  # whatever it is, the database does not answer yet
                _connection_errors.add(1)
                log.debug("database still away", error=repr(error))
                delay = min(delay * 2, 2.0)
                continue
            log.info("database back")
            self._up.set()
            return


class _StaleRead:
    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack
        replica = database.replica
        self._replica = replica if replica is not None and replica.usable else None
        self._connection: AsyncConnection | None = None

    async def execute(self, statement: Executable, parameters: Parameters = None, /) -> Rows:
        if self._replica is not None:
            try:
                if self._connection is None:
                    self._connection = await self._stack.enter_async_context(self._replica.engine.connect())
                return await self._connection.execute(statement, parameters)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                # The primary's answer counts, also where it is the same error.
                self._replica.lost(error)
                self._replica = None
                if self._connection is not None:
                    await self._connection.invalidate()
                self._connection = None
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(self._database.read())
        return await self._connection.execute(statement, parameters)
