"""``/v1/users``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox, CurrentReads
from chassis.api.pages import Page, cut, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from user_service.api.schemas import CreateUser, PatchUser, UserBody, UserQuery
from user_service.application import users

router = APIRouter(prefix="/v1/users", tags=["users"])

UserId = Annotated[UUID, Path(alias="userId")]


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404))
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


@router.get("/{userId}", dependencies=[READ], responses=documented(404))
async def get_user(user_id: UserId, response: Response, reads: CurrentReads) -> UserBody:
    """One user; its `ETag` is what an update needs as `If-Match`."""
    user = await users.find_user(reads, user_id)
    set_etag(response, user.version)
    return UserBody.of(user)


@router.patch("/{userId}", dependencies=[WRITE], responses=documented(404, 412, 428))
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
