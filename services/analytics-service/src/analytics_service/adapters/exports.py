"""Rows of a range, as they come from the database, as a Parquet file."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text

from analytics_service.domain.exports import COLUMNS, ColumnType, Dataset
from analytics_service.domain.grains import Grain
from analytics_service.domain.replacements import ENDS
from chassis.database.database import Database

ROW_GROUP = 20_000
"""Rows that are encoded and sent at a time: a few megabytes, whatever the range holds."""

_ENDS = ", ".join(f"'{kind}'" for kind in ENDS)
_GROUPS = " ".join(f"WHEN '{kind}' THEN '{group}'" for kind, group in ENDS.items())
_FACTS = text(
    "SELECT CAST(item_id AS text), CAST(event_id AS text), at, kind, source, trace_id, data->>'eventType',"
    " data->>'priority', data->>'userId', data->>'occurrence', CAST(data->>'attempt' AS integer),"
    " CAST(data->>'targetTimestampUTC' AS timestamptz), CAST(data->>'latenessSeconds' AS float8),"
    " CAST(data->>'queueSeconds' AS float8), CAST(data->>'late' AS boolean), data->>'reason', CAST(data AS text),"
    f" t.kind IN ({_ENDS}) AND EXISTS (SELECT FROM event_timeline l WHERE l.event_id = t.event_id"
    f" AND CASE l.kind {_GROUPS} END = CASE t.kind {_GROUPS} END"
    " AND (CAST(l.data->>'attempt' AS integer), l.at, l.item_id)"
    " > (CAST(t.data->>'attempt' AS integer), t.at, t.item_id))"
    " FROM event_timeline t WHERE at >= :start AND at < :end"
)
# What a later end has taken back leaves a sum of 0.
_ROLLUP = (
    "SELECT {columns} FROM {table} WHERE grain = :grain AND start >= :start AND start < :end AND count > 0"
    " ORDER BY start"
)
_STATEMENTS: dict[Dataset, TextClause] = {
    Dataset.FACTS: _FACTS,
    Dataset.COUNTS: text(
        _ROLLUP.format(table="counts", columns="grain, start, kind, event_type, priority, count"),
    ),
    Dataset.LATENCIES: text(
        _ROLLUP.format(table="latencies", columns="grain, start, measure, event_type, priority, bucket, count"),
    ),
    Dataset.ENDPOINT_RESULTS: text(
        _ROLLUP.format(
            table="endpoint_results",
            columns="grain, start, CAST(endpoint_id AS text), channel, result, bucket, count, attempts",
        ),
    ),
}


async def parquet(
    database: Database, dataset: Dataset, grain: Grain, start: datetime, end: datetime
) -> AsyncGenerator[bytes, None]:
    """The file in pieces, while rows are read by a cursor: it is never in memory as a whole.

    The last piece is the footer, without which no reader takes the file for whole.
    """
    writer = await asyncio.to_thread(_Writer, dataset)
    values = {"start": start, "end": end, **({} if dataset is Dataset.FACTS else {"grain": grain})}
    async with database.read() as connection:
        rows = await connection.stream(_STATEMENTS[dataset], values)
        async for part in rows.partitions(ROW_GROUP):
            yield await asyncio.to_thread(writer.write, part)
    yield await asyncio.to_thread(writer.close)


class _Writer:
    """Encodes rows; what is encoded is taken out of it, piece by piece."""

    def __init__(self, dataset: Dataset) -> None:
        # Columns that only exports have: it weighs more than all the rest of the service.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._arrow = pa
        types = {
            ColumnType.TEXT: pa.string(),
            ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
            ColumnType.INTEGER: pa.int64(),
            ColumnType.NUMBER: pa.float64(),
            ColumnType.BOOLEAN: pa.bool_(),
        }
        self._schema: pa.Schema = pa.schema(
            [pa.field(each.name, types[each.type], metadata={"meaning": each.meaning}) for each in COLUMNS[dataset]]
        )
        self._out = _Pieces()
        self._writer = pq.ParquetWriter(pa.PythonFile(self._out, mode="w"), self._schema, compression="zstd")

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """One row group."""
        columns = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.record_batch(columns, schema=self._schema))
        return self._out.take()

    def close(self) -> bytes:
        """The footer."""
        self._writer.close()
        return self._out.take()


class _Pieces:
    """A file to write to, of which nothing stays."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing: what is written is there to be taken."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken
