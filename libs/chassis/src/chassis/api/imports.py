"""What the routes of imports share: their key, their progress, the refused lines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentDatabase
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented
from chassis.api.wire import WireModel
from chassis.core.errors import InvalidParameterError
from chassis.imports import runner
from chassis.imports.errors import ImportFormatError
from chassis.imports.jobs import Job, JobStatus, RefusedLine

NDJSON = "application/x-ndjson"
NDJSON_BODY = {"requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}}}}}

ImportId = Annotated[UUID, Path(alias="importId")]
ImportKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
        description="One key, one import: the same request continues it at any later time.",
    ),
]


class ImportBody(WireModel):
    """An import: `rows` lines were taken.

    Of them `created` created a record, `updated` changed one, `unchanged` changed nothing, and
    `refused` broke a rule.
    """

    id: UUID
    kind: str
    status: JobStatus
    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    errors_url: str
    started_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            rows=job.rows,
            created=job.counts.created,
            updated=job.counts.updated,
            unchanged=job.counts.unchanged,
            refused=job.refused,
            errors_url=f"/v1/imports/{job.id}/errors",
            started_at=job.started_at,
            updated_at=job.updated_at,
        )


class ImportFaultBody(WireModel):
    """The errors of a line: a field, or `line` for all of it, and the rule that it breaks."""

    field: str
    detail: str


class ImportErrorBody(WireModel):
    """A line that was refused. Lines are counted from 1."""

    line: int
    errors: Sequence[ImportFaultBody]

    @classmethod
    def of(cls, refused: RefusedLine) -> Self:
        faults = [ImportFaultBody(field=each.field, detail=each.detail) for each in refused.faults]
        return cls(line=refused.line, errors=faults)


progress_router = APIRouter(prefix="/v1/imports", tags=["imports"])
"""Reads imports, whatever they are of."""


@progress_router.get("", dependencies=[READ])
async def list_imports(database: CurrentDatabase, limit: Limit = 50, cursor: Cursor = None) -> Page[ImportBody]:
    """Newest first."""
    page, more = cut(await runner.list_imports(database, decode_cursor(cursor), limit + 1), limit)
    return Page(
        items=[ImportBody.of(each) for each in page],
        next_cursor=encode_cursor((page[-1].started_at, page[-1].id)) if more else None,
    )


@progress_router.get("/{importId}", dependencies=[READ], responses=documented(404))
async def get_import(import_id: ImportId, database: CurrentDatabase) -> ImportBody:
    """How far an import has come. One that is `interrupted` waits for the same request again."""
    return ImportBody.of(await runner.find_import(database, import_id))


@progress_router.get("/{importId}/errors", dependencies=[READ], responses=documented(404))
async def list_import_errors(
    import_id: ImportId,
    database: CurrentDatabase,
    limit: Limit = 50,
    cursor: Annotated[
        str | None,
        Query(
            max_length=18,
            description="`nextCursor` of the page before.",
            json_schema_extra={"pattern": "^[0-9]{1,18}$"},
        ),
    ] = None,
) -> Page[ImportErrorBody]:
    """The refused lines with their faults, in their order. The first 10,000 are kept; all are counted."""
    page, more = cut(await runner.list_errors(database, import_id, _line(cursor), limit + 1), limit)
    return Page(items=[ImportErrorBody.of(each) for each in page], next_cursor=str(page[-1].line) if more else None)


def require_ndjson(request: Request) -> None:
    """Raises ImportFormatError."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ImportFormatError("the body must not be compressed")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != NDJSON:
        raise ImportFormatError(f"send {NDJSON}")


def _line(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()):
        raise InvalidParameterError("cursor", "not a cursor of this list")
    return int(cursor)
