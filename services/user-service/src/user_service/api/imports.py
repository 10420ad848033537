"""``/v1/imports``: users by the million, out of one streamed body."""

from email.message import Message
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request

from chassis.api.auth import READ, WRITE, CurrentPrincipal
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox, CurrentStopping
from chassis.api.intake import UNBOUNDED_BODY
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented
from chassis.core.errors import InvalidParameterError
from chassis.imports.lines import LineReader
from user_service.api.charsets import as_utf8
from user_service.api.import_entries import Parse, csv_parser, dialect_of, is_space, parse_json, read_entries
from user_service.api.schemas import DeletedBody, ImportBody, ImportErrorBody, MissingUserBody
from user_service.application import imports
from user_service.domain.errors import ImportFormatError
from user_service.domain.imports import ImportFormat, ImportMode, Mark

router = APIRouter(prefix="/v1/imports", tags=["imports"])

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

_FORMATS = {
    "text/csv": ImportFormat.CSV,
    "application/x-ndjson": ImportFormat.NDJSON,
    # What browsers on Windows call a CSV file where Excel is installed.
    "application/vnd.ms-excel": ImportFormat.CSV,
}
_BODY = {"required": True, "content": {name: {"schema": {"type": "string"}} for name in _FORMATS}}


@router.post(
    "", dependencies=[WRITE, UNBOUNDED_BODY], responses=documented(409, 415), openapi_extra={"requestBody": _BODY}
)
async def import_users(
    request: Request,
    principal: CurrentPrincipal,
    key: ImportKey,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    stopping: CurrentStopping,
    mode: Annotated[
        ImportMode,
        Query(description="`sync` also finds out which users with an external id are not in the body."),
    ] = ImportMode.UPSERT,
) -> ImportBody:
    """Create or change a user by each line of a body that may have any length: CSV with a header, or NDJSON.

    A line with an `externalId` that a user has changes that user: fields that the line does not name stay as they are,
    so the same file again changes nothing. Every other line creates a user.

    A CSV file may be delimited by commas, semicolons or tabs, and be in the charset that its `Content-Type` declares;
    UTF-16 is also known by its byte order mark. A value holds no line break, and a quote surrounds a whole value.

    A line is judged by the rules of `POST /v1/users`. One that breaks them creates nothing and is listed, with its
    number and each fault, under `errorsUrl`; the others are not affected. Progress can be read meanwhile. After
    any interruption, **the same request continues where it stopped**, and no line is applied twice.
    """
    format, charset = _format(request)
    reader = LineReader(as_utf8(request.stream(), charset), Mark)
    with stopping.calling(reader.stop):
        parse: Parse = parse_json
        is_blank = is_space
        if format is ImportFormat.CSV:
            header = await reader.first()
            dialect = dialect_of(header, charset or "UTF-8")
            parse, is_blank = csv_parser(header, dialect), dialect.is_blank
        job = await imports.begin_import(database, principal.name, key, format, mode)
        batches = read_entries(reader, job.mark, parse, is_blank)
        return ImportBody.of(await imports.run_import(database, outbox, clock, job, batches, stopping))


@router.get("", dependencies=[READ])
async def list_imports(database: CurrentDatabase, limit: Limit = 50, cursor: Cursor = None) -> Page[ImportBody]:
    """Newest first."""
    page, more = cut(await imports.list_imports(database, decode_cursor(cursor), limit + 1), limit)
    return Page(
        items=[ImportBody.of(each) for each in page],
        next_cursor=encode_cursor((page[-1].started_at, page[-1].id)) if more else None,
    )


@router.get("/{importId}", dependencies=[READ], responses=documented(404))
async def get_import(import_id: ImportId, database: CurrentDatabase) -> ImportBody:
    """How far an import has come. One that is `interrupted` waits for the same request again."""
    return ImportBody.of(await imports.find_import(database, import_id))


@router.get("/{importId}/errors", dependencies=[READ], responses=documented(404))
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
    page, more = cut(await imports.list_errors(database, import_id, _line(cursor), limit + 1), limit)
    return Page(items=[ImportErrorBody.of(each) for each in page], next_cursor=str(page[-1].line) if more else None)


@router.get("/{importId}/missing", dependencies=[READ], responses=documented(404, 409))
async def list_missing_users(
    import_id: ImportId, database: CurrentDatabase, limit: Limit = 50, cursor: Cursor = None
) -> Page[MissingUserBody]:
    """Users with an external id who are not in the body of an import with `mode=sync`, newest first.

    Only those who were there when it began. It can be asked for a week after the import.
    """
    page, more = cut(await imports.list_missing(database, import_id, decode_cursor(cursor), limit + 1), limit)
    return Page(
        items=[MissingUserBody.of(each) for each in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.delete("/{importId}/missing", dependencies=[WRITE], responses=documented(404, 409))
async def delete_missing_users(
    import_id: ImportId,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    expected: Annotated[int, Query(ge=0, le=2**53, description="How many the client expects: `missing`.")],
) -> DeletedBody:
    """Delete the users who are missing, for good, as `DELETE /v1/users/{userId}` does.

    Refused where they are not as many as `expected`, and where lines of the import were refused: who those are is not
    known.
    """
    return DeletedBody(deleted=await imports.delete_missing(database, outbox, import_id, expected))


def _format(request: Request) -> tuple[ImportFormat, str | None]:
    """The format and the declared charset of the body."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ImportFormatError("the body must not be compressed")
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    if (format := _FORMATS.get(header.get_content_type())) is None:
        raise ImportFormatError(f"send {' or '.join(_FORMATS)}")
    return format, header.get_content_charset()


def _line(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()):
        raise InvalidParameterError("cursor", "not a cursor of this list")
    return int(cursor)
