"""``/v1/users``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox, CurrentReads
from chassis.api.pages import Page, cut, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from user_service.api.schemas import CreateUser, ExternalId, PatchUser, PutUser, UserBody, UserQuery
from user_service.application import users

router = APIRouter(prefix="/v1/users", tags=["users"])

PathExternalId = Annotated[ExternalId, Path(alias="externalId")]
UserId = Annotated[UUID, Path(alias="userId")]


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404, 409))
async def create_user(
    body: CreateUser,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    key: OptionalIdempotencyKey,
) -> UserBody:
    """Create a user. With an `Idempotency-Key`, a repeated request gives the user that the first one created."""
    user = await users.create_user(database, outbox, clock, body.new_user(), key)
    response.headers["Location"] = f"{router.prefix}/{user.id}"
    set_etag(response, user.version)
    return UserBody.of(user)


@router.get("", dependencies=[READ])
async def list_users(query: Annotated[UserQuery, Query()], reads: CurrentReads) -> Page[UserBody]:
    """Newest first."""
    page, more = cut(await users.search_users(reads, query.search(), query.limit + 1), query.limit)
    return Page(
        items=[UserBody.of(user) for user in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get("/by-external-id/{externalId:path}", dependencies=[READ], responses=documented(404))
async def get_user_by_external_id(external_id: PathExternalId, response: Response, reads: CurrentReads) -> UserBody:
    """The user whom your own system calls so. An id with slashes may be sent as it is, or percent-encoded."""
    user = await users.find_external(reads, external_id)
    set_etag(response, user.version)
    return UserBody.of(user)


@router.put(
    "/by-external-id/{externalId:path}",
    dependencies=[WRITE],
    responses={201: {"model": UserBody, "description": "Created"}, **documented(409, 412)},
)
async def put_user(
    external_id: PathExternalId,
    body: PutUser,
    expected: OptionalVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
) -> UserBody:
    """Create a user with this external id (201), or make the one who has it what the body says (200).

    The body is the whole user: an optional field that is absent goes back to its default, an anniversary that is absent
    is removed. One with the same `label` stays the same anniversary. The same request again changes nothing.
    """
    user, created = await users.put_user(database, outbox, clock, body.put(external_id), expected)
    if created:
        response.status_code = 201
        response.headers["Location"] = f"{router.prefix}/{user.id}"
    set_etag(response, user.version)
    return UserBody.of(user)


@router.get("/{userId}", dependencies=[READ], responses=documented(404))
async def get_user(user_id: UserId, response: Response, reads: CurrentReads) -> UserBody:
    """One user; its `ETag` is what an update needs as `If-Match`."""
    user = await users.find_user(reads, user_id)
    set_etag(response, user.version)
    return UserBody.of(user)


@router.patch("/{userId}", dependencies=[WRITE], responses=documented(404, 409, 412, 428))
async def update_user(
    user_id: UserId,
    body: PatchUser,
    expected: ExpectedVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
) -> UserBody:
    """Change some fields (RFC 7396). A patch that changes nothing keeps the version."""
    user = await users.update_user(database, outbox, clock, user_id, body.changes(), expected)
    set_etag(response, user.version)
    return UserBody.of(user)


@router.delete("/{userId}", status_code=204, dependencies=[WRITE], responses=documented(404, 412))
async def delete_user(
    user_id: UserId, expected: OptionalVersion, database: CurrentDatabase, outbox: CurrentOutbox
) -> None:
    """Delete a user for good, with whatever is scheduled."""
    await users.delete_user(database, outbox, user_id, expected)
