"""The old database, read as it stands at one moment."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from almanac_cli.migrate.mapping import EventsTable, MappingError, OldSystem, SchedulesTable, UsersTable

PREFETCH = 2_000
"""Rows that a cursor reads at once."""

Row = Mapping[str, Any]
"""By the names of the mapping, not of the columns."""

USER_OPTIONAL = ("email", "phone", "tags", "delivery_time")
EVENT_OPTIONAL = ("idempotency_key", "payload", "finished_at", "reason")
SCHEDULE_OPTIONAL = ("rrule", "timezone", "message", "payload")


@dataclass(frozen=True, slots=True)
class OldDatabase:
    """One read-only snapshot: what the old system changes meanwhile is not seen, and nothing is ever written."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    system: OldSystem
    _columns: dict[str, frozenset[str]] = field(default_factory=dict)

    async def count(self, table: UsersTable | EventsTable | SchedulesTable) -> int:
        counted: int = await self.connection.fetchval(f"SELECT count(*) FROM {_from(table)}")
        return counted

    async def users(self) -> AsyncIterator[Row]:
        table = self.system.users
        needed = ("external_id", "first_name", "last_name", "date_of_birth", "timezone")
        columns = await self._chosen(table, needed, USER_OPTIONAL)
        labelled = {f"anniversary:{label}": column for label, column in table.anniversaries.items()}
        async for row in self._rows(table, columns | labelled, order=table.external_id):
            yield row

    async def events(self, statuses: Sequence[str]) -> AsyncIterator[Row]:
        """Events in one of the states."""
        table = self.system.events
        columns = await self._chosen(table, ("key", "user", "type", "status", "target"), EVENT_OPTIONAL)
        conditions = [f"{_quoted(table.status)}::text = ANY($1)"]
        async for row in self._rows(table, columns, conditions, [list(statuses)], order=table.key):
            yield row

    async def schedules(self) -> AsyncIterator[Row]:
        table = self.system.schedules
        columns = await self._chosen(table, ("key", "user", "label", "start_local"), SCHEDULE_OPTIONAL)
        async for row in self._rows(table, columns, order=table.key):
            yield row

    async def events_by_type_and_status(self) -> list[tuple[str, str, int, datetime | None, datetime | None]]:
        """Type, state, how many, the first target and the last."""
        table = self.system.events
        type, status, target = map(_quoted, (table.type, table.status, table.target))
        rows = await self.connection.fetch(
            f"SELECT {type}::text, {status}::text, count(*), min({target}), max({target}) FROM {_from(table)}"
            " GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def targets(self, first: datetime, last: datetime) -> list[datetime]:
        """The instants at which events wait between two instants, in their order."""
        table = self.system.events
        rows = await self.connection.fetch(
            f"SELECT {_quoted(table.target)} AS at FROM {_from(table)} {_and(table)}"
            f" {_quoted(table.status)}::text = ANY($1) AND {_quoted(table.target)} BETWEEN $2 AND $3 ORDER BY 1",
            list(table.waiting),
            await self._as_stored(table, table.target, first),
            await self._as_stored(table, table.target, last),
        )
        return [row["at"] for row in rows]

    async def _as_stored(self, table: EventsTable, column: str, instant: datetime) -> datetime:
        prepared = await self.connection.prepare(f"SELECT {_quoted(column)} FROM {_from(table)} LIMIT 0")
        naive = prepared.get_attributes()[0].type.name == "timestamp"
        return instant.replace(tzinfo=None) if naive else instant

    async def _chosen(
        self, table: UsersTable | EventsTable | SchedulesTable, needed: Sequence[str], optional: Sequence[str]
    ) -> dict[str, str]:
        there = await self.columns(table)
        named = table.model_fields_set
        chosen = {name: getattr(table, name) for name in (*needed, *optional)}
        missing = [
            f"{name} (column {column!r})"
            for name, column in chosen.items()
            if column not in there and (name in needed or name in named)
        ]
        if missing:
            raise MappingError(f"table {table.table} has no {', '.join(missing)}: name its columns in the mapping file")
        return {name: column for name, column in chosen.items() if column in there}

    async def columns(self, table: UsersTable | EventsTable | SchedulesTable) -> frozenset[str]:
        """The names of a table's columns. Raises MappingError where there is no such table."""
        if table.table not in self._columns:
            try:
                prepared = await self.connection.prepare(f"SELECT * FROM {_name(table.table)} LIMIT 0")
            except asyncpg.UndefinedTableError:
                raise MappingError(f"there is no table {table.table}: name it in the mapping file") from None
            self._columns[table.table] = frozenset(each.name for each in prepared.get_attributes())
        return self._columns[table.table]

    async def _rows(
        self,
        table: UsersTable | EventsTable | SchedulesTable,
        columns: Mapping[str, str],
        conditions: Sequence[str] = (),
        values: Sequence[object] = (),
        *,
        order: str,
    ) -> AsyncIterator[Row]:
        listed = ", ".join(f"{_quoted(column)} AS {_quoted(name)}" for name, column in columns.items())
        sql = f"SELECT {listed} FROM {_from(table)}"
        if conditions:
            sql += f" {_and(table)} {' AND '.join(conditions)}"
        async for row in self.connection.cursor(f"{sql} ORDER BY {_quoted(order)}", *values, prefetch=PREFETCH):
            yield dict(row)


@asynccontextmanager
async def open_source(url: str, system: OldSystem) -> AsyncIterator[OldDatabase]:
    """Connect for reading alone. Raises OSError or asyncpg.PostgresError where that cannot be done."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield OldDatabase(connection, system)
    finally:
        await connection.close()


def _from(table: UsersTable | EventsTable | SchedulesTable) -> str:
    return f"{_name(table.table)} WHERE ({table.where})" if table.where else _name(table.table)


def _and(table: UsersTable | EventsTable | SchedulesTable) -> str:
    return "AND" if table.where else "WHERE"


def _name(table: str) -> str:
    return ".".join(map(_quoted, table.split(".")))


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
