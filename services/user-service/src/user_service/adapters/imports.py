"""The tables ``imports`` and ``import_errors``."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Transaction
from user_service.domain.imports import (
    SILENT_SECONDS,
    Fault,
    Import,
    ImportFormat,
    ImportStatus,
    Mark,
    RefusedLine,
)

_COLUMNS = (
    f"id, format, CASE WHEN status = 'running' AND updated_at < clock_timestamp() - interval '{SILENT_SECONDS} seconds'"
    " THEN 'interrupted' ELSE status END AS status,"
    " run, line, position, digest, rows, created, refused, started_at, updated_at"
)
# A body that was read to its end stays so: the request again only compares.
_BEGIN = text(
    "INSERT INTO imports AS i (id, client, key, format, status, digest)"
    " VALUES (:id, :client, :key, :format, 'running', :digest)"
    " ON CONFLICT (client, key) DO UPDATE SET run = i.run + 1, updated_at = clock_timestamp(),"
    " status = CASE i.status WHEN 'completed' THEN 'completed' ELSE 'running' END"
    f" RETURNING {_COLUMNS}"
)
_ADVANCE = text(
    "UPDATE imports SET status = :status, line = :line, position = :position, digest = :digest,"
    " rows = rows + CAST(:created AS bigint) + CAST(:refused AS bigint), created = created + CAST(:created AS bigint),"
    " refused = refused + CAST(:refused AS bigint), updated_at = clock_timestamp() WHERE id = :id AND run = :run"
    f" RETURNING {_COLUMNS}"
)
_TOUCH = text("UPDATE imports SET updated_at = clock_timestamp() WHERE id = :id AND run = :run")
_INTERRUPT = text(
    "UPDATE imports SET status = 'interrupted', updated_at = clock_timestamp()"
    " WHERE id = :id AND run = :run AND status = 'running'"
)
_FIND = text(f"SELECT {_COLUMNS} FROM imports WHERE id = :id")
_NEWEST = text(f"SELECT {_COLUMNS} FROM imports ORDER BY started_at DESC, id DESC LIMIT :limit")
_BEFORE = text(
    f"SELECT {_COLUMNS} FROM imports"
    " WHERE (started_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))"
    " ORDER BY started_at DESC, id DESC LIMIT :limit"
)
_REFUSE = text(
    "INSERT INTO import_errors (import_id, line, faults)"
    " SELECT CAST(:import_id AS uuid), line, CAST(faults AS jsonb)"
    " FROM unnest(CAST(:lines AS bigint[]), CAST(:faults AS text[])) AS t (line, faults)"
)
_ERRORS = text(
    "SELECT line, faults FROM import_errors WHERE import_id = :import_id AND line > :after ORDER BY line LIMIT :limit"
)


async def begin(tx: Transaction, import_id: UUID, client: str, key: str, format: ImportFormat) -> Import:
    """A new import, or the one that the key has begun: then no earlier request can write to it any more."""
    values = {"id": import_id, "client": client, "key": key, "format": format.value, "digest": Mark().digest}
    return _import((await tx.execute(_BEGIN, values)).one())


async def advance(
    tx: Transaction, job: Import, status: ImportStatus, mark: Mark, *, created: int, refused: int
) -> Import | None:
    """Record a chunk; None where a later request has taken the import over."""
    values = {
        "id": job.id,
        "run": job.run,
        "status": status.value,
        "line": mark.line,
        "position": mark.position,
        "digest": mark.digest,
        "created": created,
        "refused": refused,
    }
    row = (await tx.execute(_ADVANCE, values)).one_or_none()
    return _import(row) if row else None


async def touch(tx: Transaction, job: Import) -> bool:
    """Show that the import goes on; False where a later request has taken it over."""
    return (await tx.execute(_TOUCH, {"id": job.id, "run": job.run})).rowcount == 1


async def interrupt(tx: Transaction, job: Import) -> None:
    await tx.execute(_INTERRUPT, {"id": job.id, "run": job.run})


async def find(connection: AsyncConnection, import_id: UUID) -> Import | None:
    row = (await connection.execute(_FIND, {"id": import_id})).one_or_none()
    return _import(row) if row else None


async def newest(connection: AsyncConnection, before: tuple[Any, UUID] | None, limit: int) -> Sequence[Import]:
    """Newest first; ``before`` is the (started_at, id) at which the page before ended."""
    if before is None:
        rows = await connection.execute(_NEWEST, {"limit": limit})
    else:
        values = {"before_at": before[0], "before_id": before[1], "limit": limit}
        rows = await connection.execute(_BEFORE, values)
    return [_import(row) for row in rows]


async def refuse(tx: Transaction, import_id: UUID, lines: Sequence[RefusedLine]) -> None:
    if lines:
        values = {
            "import_id": import_id,
            "lines": [each.line for each in lines],
            "faults": [to_json(each.faults).decode() for each in lines],
        }
        await tx.execute(_REFUSE, values)


async def errors(connection: AsyncConnection, import_id: UUID, after: int, limit: int) -> Sequence[RefusedLine]:
    """The refused lines behind line ``after``, in their order."""
    rows = await connection.execute(_ERRORS, {"import_id": import_id, "after": after, "limit": limit})
    return [RefusedLine(row.line, [Fault(each["field"], each["detail"]) for each in row.faults]) for row in rows]


def _import(row: Row[Any]) -> Import:
    return Import(
        id=row.id,
        format=ImportFormat(row.format),
        status=ImportStatus(row.status),
        run=row.run,
        mark=Mark(row.line, row.position, row.digest),
        rows=row.rows,
        created=row.created,
        refused=row.refused,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )
