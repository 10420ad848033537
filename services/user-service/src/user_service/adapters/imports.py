"""The tables ``imports`` and ``import_errors``."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Reader, Transaction
from user_service.domain.imports import (
    SEEN_DAYS,
    SILENT_SECONDS,
    Counts,
    Fault,
    Import,
    ImportFormat,
    ImportMode,
    ImportStatus,
    Mark,
    MissingUser,
    RefusedLine,
)

_COLUMNS = (
    f"id, format, CASE WHEN status = 'running' AND updated_at < clock_timestamp() - interval '{SILENT_SECONDS} seconds'"
    " THEN 'interrupted' ELSE status END AS status,"
    " run, line, position, digest, rows, created, updated, unchanged, refused, missing, mode, began_at,"
    " started_at, updated_at"
)
# A body that was read to its end stays so: the request again only compares.
_BEGIN = text(
    "INSERT INTO imports AS i (id, client, key, format, mode, status, digest)"
    " VALUES (:id, :client, :key, :format, :mode, 'running', :digest)"
    " ON CONFLICT (client, key) DO UPDATE SET run = i.run + 1, updated_at = clock_timestamp(),"
    " status = CASE i.status WHEN 'completed' THEN 'completed' ELSE 'running' END"
    f" RETURNING {_COLUMNS}"
)
_ADVANCE = text(
    "UPDATE imports SET status = :status, line = :line, position = :position, digest = :digest,"
    " rows = rows + CAST(:created AS bigint) + CAST(:updated AS bigint) + CAST(:unchanged AS bigint)"
    " + CAST(:refused AS bigint), created = created + CAST(:created AS bigint),"
    " updated = updated + CAST(:updated AS bigint), unchanged = unchanged + CAST(:unchanged AS bigint),"
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
_REMEMBER = text(
    "INSERT INTO import_seen (import_id, digest)"
    " SELECT CAST(:import_id AS uuid), CAST(md5(unnest(CAST(:external_ids AS text[]))) AS uuid) ON CONFLICT DO NOTHING"
)
_FORGET_SEEN = text(
    "DELETE FROM import_seen WHERE import_id IN (SELECT id FROM imports"
    f" WHERE mode = 'sync' AND updated_at < clock_timestamp() - interval '{SEEN_DAYS} days')"
)
_NOT_IN_BODY = (
    "FROM users u WHERE u.external_id IS NOT NULL AND u.created_at < :began AND NOT EXISTS ("
    "SELECT FROM import_seen s WHERE s.import_id = :import_id AND s.digest = CAST(md5(u.external_id) AS uuid))"
)
_COUNT_MISSING = text(f"SELECT count(*) {_NOT_IN_BODY}")
_RECORD_MISSING = text(f"UPDATE imports SET missing = :missing WHERE id = :id RETURNING {_COLUMNS}")
_MISSING = text(
    f"SELECT u.id, u.external_id, u.created_at {_NOT_IN_BODY}"
    " AND (u.created_at, u.id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))"
    " ORDER BY u.created_at DESC, u.id DESC LIMIT :limit"
)
_ERRORS = text(
    "SELECT line, faults FROM import_errors WHERE import_id = :import_id AND line > :after ORDER BY line LIMIT :limit"
)


async def begin(
    tx: Transaction, import_id: UUID, client: str, key: str, format: ImportFormat, mode: ImportMode
) -> Import:
    """A new import, or the one that the key has begun: then no earlier request can write to it any more."""
    values = {
        "id": import_id,
        "client": client,
        "key": key,
        "format": format.value,
        "mode": mode.value,
        "digest": Mark().digest,
    }
    await tx.execute(_FORGET_SEEN)
    return _import((await tx.execute(_BEGIN, values)).one())


async def advance(tx: Transaction, job: Import, status: ImportStatus, mark: Mark, counts: Counts) -> Import | None:
    """Record a chunk; None where a later request has taken the import over."""
    values = {
        "id": job.id,
        "run": job.run,
        "status": status.value,
        "line": mark.line,
        "position": mark.position,
        "digest": mark.digest,
        **asdict(counts),
    }
    row = (await tx.execute(_ADVANCE, values)).one_or_none()
    return _import(row) if row else None


async def touch(tx: Transaction, job: Import) -> bool:
    """Show that the import is in progress; False where a later request has taken it over."""
    return (await tx.execute(_TOUCH, {"id": job.id, "run": job.run})).rowcount == 1


async def interrupt(tx: Transaction, job: Import) -> None:
    await tx.execute(_INTERRUPT, {"id": job.id, "run": job.run})


async def remember(tx: Transaction, import_id: UUID, external_ids: Collection[str]) -> None:
    """Note who is in the body of an import, each once."""
    if external_ids:
        await tx.execute(_REMEMBER, {"import_id": import_id, "external_ids": list(external_ids)})


async def count_missing(tx: Transaction, job: Import) -> int:
    """How many users with an external id, who were there when the import began, are not in its body."""
    values = {"import_id": job.id, "began": job.began_at}
    missing: int = (await tx.execute(_COUNT_MISSING, values)).scalar_one()
    return missing


async def record_missing(tx: Transaction, job: Import, missing: int) -> Import:
    return _import((await tx.execute(_RECORD_MISSING, {"id": job.id, "missing": missing})).one())


async def missing_users(
    reader: Reader, job: Import, before: tuple[Any, UUID] | None, limit: int
) -> Sequence[MissingUser]:
    """Newest first; ``before`` is the (created_at, id) at which the page before ended."""
    at, user_id = before or (job.began_at, UUID(int=0))
    values = {"import_id": job.id, "began": job.began_at, "before_at": at, "before_id": user_id, "limit": limit}
    return [MissingUser(*row) for row in await reader.execute(_MISSING, values)]


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
        mode=ImportMode(row.mode),
        status=ImportStatus(row.status),
        run=row.run,
        mark=Mark(row.line, row.position, row.digest),
        rows=row.rows,
        created=row.created,
        updated=row.updated,
        unchanged=row.unchanged,
        refused=row.refused,
        missing=row.missing,
        began_at=row.began_at,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )
