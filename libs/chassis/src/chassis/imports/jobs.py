"""The tables ``imports`` and ``import_errors``: how far each import has come, and which lines were refused."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text

from chassis.database.database import Reader, Transaction

MAX_KEPT_ERRORS = 10_000
"""Refused lines of one import that are kept with their faults; all are counted."""

SILENT_SECONDS = 150.0
"""An import of which nothing was heard for so long is interrupted: its process died before it could report it."""

CREATE = """
-- What an import has committed: how far its body was read (lines, bytes, a digest of those bytes), and what came of it.
-- `run` counts the requests that worked on it: the last one alone may go on.
CREATE TABLE imports (
    id         uuid PRIMARY KEY,
    client     text NOT NULL,
    key        text NOT NULL,
    kind       text NOT NULL,
    status     text NOT NULL CHECK (status IN ('running', 'completed', 'interrupted')),
    run        integer NOT NULL DEFAULT 1,
    line       bigint NOT NULL DEFAULT 0,
    position   bigint NOT NULL DEFAULT 0,
    digest     bytea NOT NULL DEFAULT '',
    created    bigint NOT NULL DEFAULT 0,
    updated    bigint NOT NULL DEFAULT 0,
    unchanged  bigint NOT NULL DEFAULT 0,
    refused    bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (client, key)
);
CREATE INDEX imports_newest ON imports (started_at DESC, id DESC);

CREATE TABLE import_errors (
    import_id uuid NOT NULL REFERENCES imports,
    line      bigint NOT NULL,
    faults    jsonb NOT NULL,
    PRIMARY KEY (import_id, line)
);
"""


class JobStatus(StrEnum):
    """Where an import stands. The same request again takes one that was interrupted to its end."""

    RUNNING = "running"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a body was read: whole lines, their bytes, and the SHA-256 of those, by which the body is known again."""

    line: int = 0
    position: int = 0
    digest: bytes = sha256().digest()


@dataclass(frozen=True, slots=True)
class Fault:
    """The errors of a line: the field, as the client spells it (`line` for all of it), and the broken rule."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class RefusedLine:
    line: int
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Counts:
    """The results of accepted lines."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """An import as it is stored. ``kind`` is what its lines are; ``run`` counts the requests for it."""

    id: UUID
    kind: str
    status: JobStatus
    run: int
    mark: Mark
    counts: Counts
    refused: int
    started_at: datetime
    updated_at: datetime

    @property
    def rows(self) -> int:
        return self.counts.created + self.counts.updated + self.counts.unchanged + self.refused


_COLUMNS = (
    f"id, kind, CASE WHEN status = 'running' AND updated_at < clock_timestamp() - interval '{SILENT_SECONDS} seconds'"
    " THEN 'interrupted' ELSE status END AS status,"
    " run, line, position, digest, created, updated, unchanged, refused, started_at, updated_at"
)
# A body that was read to its end stays so: the request again only compares.
_BEGIN = text(
    "INSERT INTO imports AS i (id, client, key, kind, status, digest)"
    " VALUES (:id, :client, :key, :kind, 'running', :digest)"
    " ON CONFLICT (client, key) DO UPDATE SET run = i.run + 1, updated_at = clock_timestamp(),"
    " status = CASE i.status WHEN 'completed' THEN 'completed' ELSE 'running' END"
    f" RETURNING {_COLUMNS}"
)
_ADVANCE = text(
    "UPDATE imports SET status = :status, line = :line, position = :position, digest = :digest,"
    " created = created + CAST(:created AS bigint), updated = updated + CAST(:updated AS bigint),"
    " unchanged = unchanged + CAST(:unchanged AS bigint), refused = refused + CAST(:refused AS bigint),"
    f" updated_at = clock_timestamp() WHERE id = :id AND run = :run RETURNING {_COLUMNS}"
)
_TOUCH = text("UPDATE imports SET updated_at = clock_timestamp() WHERE id = :id AND run = :run")
_INTERRUPT = text(
    "UPDATE imports SET status = 'interrupted', updated_at = clock_timestamp()"
    " WHERE id = :id AND run = :run AND status = 'running'"
)
_FIND = text(f"SELECT {_COLUMNS} FROM imports WHERE id = :id")
_NEWEST = text(
    f"SELECT {_COLUMNS} FROM imports WHERE (started_at, id) < (coalesce(CAST(:before_at AS timestamptz), 'infinity'),"
    " coalesce(CAST(:before_id AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"
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


async def begin(tx: Transaction, import_id: UUID, client: str, key: str, kind: str) -> Job:
    """A new import, or the one that the key has begun: then no earlier request can write to it any more."""
    values = {"id": import_id, "client": client, "key": key, "kind": kind, "digest": Mark().digest}
    return _job((await tx.execute(_BEGIN, values)).one())


async def advance(tx: Transaction, job: Job, status: JobStatus, mark: Mark, counts: Counts, refused: int) -> Job | None:
    """Record a chunk; None where a later request has taken the import over."""
    values = {
        "id": job.id,
        "run": job.run,
        "status": status.value,
        "line": mark.line,
        "position": mark.position,
        "digest": mark.digest,
        "refused": refused,
        **asdict(counts),
    }
    row = (await tx.execute(_ADVANCE, values)).one_or_none()
    return _job(row) if row else None


async def touch(tx: Transaction, job: Job) -> bool:
    """Show that the import is in progress, and keep others from it; False where a later request has taken it over."""
    return (await tx.execute(_TOUCH, {"id": job.id, "run": job.run})).rowcount == 1


async def interrupt(tx: Transaction, job: Job) -> None:
    await tx.execute(_INTERRUPT, {"id": job.id, "run": job.run})


async def find(reader: Reader, import_id: UUID) -> Job | None:
    row = (await reader.execute(_FIND, {"id": import_id})).one_or_none()
    return _job(row) if row else None


async def newest(reader: Reader, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Job]:
    """Newest first; ``before`` is the (started_at, id) at which the page before ended."""
    at, id = before or (None, None)
    return [_job(row) for row in await reader.execute(_NEWEST, {"before_at": at, "before_id": id, "limit": limit})]


async def refuse(tx: Transaction, import_id: UUID, lines: Sequence[RefusedLine]) -> None:
    if lines:
        values = {
            "import_id": import_id,
            "lines": [each.line for each in lines],
            "faults": [to_json(each.faults).decode() for each in lines],
        }
        await tx.execute(_REFUSE, values)


async def errors(reader: Reader, import_id: UUID, after: int, limit: int) -> Sequence[RefusedLine]:
    """The refused lines behind line ``after``, in their order."""
    rows = await reader.execute(_ERRORS, {"import_id": import_id, "after": after, "limit": limit})
    return [RefusedLine(row.line, [Fault(each["field"], each["detail"]) for each in row.faults]) for row in rows]


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        status=JobStatus(row.status),
        run=row.run,
        mark=Mark(row.line, row.position, row.digest),
        counts=Counts(row.created, row.updated, row.unchanged),
        refused=row.refused,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )
