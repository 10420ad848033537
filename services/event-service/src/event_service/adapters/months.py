"""Months of events that have their own tables: how long each is kept, and what the planner knows of it.

A month is detached first, concurrently, so that no claim waits for it. Once detached, it is checked for live
events and dropped if it has none. A crash in between leaves a table by itself, which the next look finds.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Database, Transaction

_MONTHS = text(
    "SELECT c.relname AS name, i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS leaving"
    " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    " WHERE c.relkind = 'r' AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'"
    " AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST('events' AS regclass))"
    " ORDER BY leaving DESC, name"
)
_NOT_ANALYZED = text(
    "SELECT relname FROM pg_stat_user_tables WHERE relname = ANY(CAST(:names AS text[]))"
    " AND coalesce(last_analyze, '-infinity') < clock_timestamp() - interval '1 day' ORDER BY relname"
)


@dataclass(frozen=True, slots=True)
class Month:
    """A month's table. ``leaving``: a detachment was begun and not finished."""

    name: str
    attached: bool
    leaving: bool

    @property
    def first(self) -> datetime:
        """Its first instant."""
        _, year, month = self.name.split("_")
        return datetime(int(year), int(month), 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return (self.first + timedelta(days=31)).replace(day=1)


async def find_months(database: Database) -> list[Month]:
    """All that there are, the oldest first, with those that are no longer part of ``events``.

    Before all others one that is leaving: until it is gone no other can.
    """
    async with database.read() as connection:
        return [Month(row.name, row.attached, row.leaving) for row in await connection.execute(_MONTHS)]


async def retire(database: Database, month: Month) -> bool:
    """Drop a month and all its events, unless one of them is pending or processing. Returns whether it is gone.

    Waits for transactions that were there before; no statement waits for it.
    """
    if month.attached and not month.leaving and await _alive(database, month):
        return False
    async with _without_transaction(database) as connection:
        if month.leaving:
            await connection.execute(text(f"ALTER TABLE events DETACH PARTITION {month.name} FINALIZE"))
        elif month.attached:
            await connection.execute(text(f"ALTER TABLE events DETACH PARTITION {month.name} CONCURRENTLY"))
    async with database.transaction() as tx:
        await tx.execute(text(f"LOCK TABLE {month.name} IN ACCESS EXCLUSIVE MODE"))
        if not (await tx.execute(_any_alive(month))).scalar_one():
            await tx.execute(text(f"DROP TABLE {month.name}"))
            return True
        # It came, by a retry, between the first look and the detachment.
        await _attach(tx, month)
        return False


async def restore(database: Database, month: Month) -> None:
    """Make a month that was detached, and is to be kept after all, part of ``events`` again."""
    async with _without_transaction(database) as connection:
        if month.leaving:
            await connection.execute(text(f"ALTER TABLE events DETACH PARTITION {month.name} FINALIZE"))
    async with database.transaction() as tx:
        await _attach(tx, month)


async def not_analyzed(database: Database, months: Sequence[Month]) -> list[str]:
    """The names of those of which the planner's statistics are older than a day."""
    async with database.read() as connection:
        return list((await connection.execute(_NOT_ANALYZED, {"names": [each.name for each in months]})).scalars())


async def analyze(database: Database, name: str) -> None:
    """Run ANALYZE on one table. Blocks neither readers nor writers."""
    async with database.transaction() as tx:
        await tx.execute(text(f"ANALYZE {name}"))


def _any_alive(month: Month) -> TextClause:
    return text(
        f"SELECT EXISTS (SELECT FROM {month.name} WHERE status = 'PENDING')"
        f" OR EXISTS (SELECT FROM {month.name} WHERE status = 'PROCESSING')"
    )


async def _alive(database: Database, month: Month) -> bool:
    async with database.read() as connection:
        alive: bool = (await connection.execute(_any_alive(month))).scalar_one()
    return alive


async def _attach(tx: Transaction, month: Month) -> None:
    await tx.execute(
        text(f"ALTER TABLE events ATTACH PARTITION {month.name} FOR VALUES FROM ('{month.first}') TO ('{month.end}')")
    )


@asynccontextmanager
async def _without_transaction(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")
