"""``/v1/users/{userId}/anniversaries``. An anniversary's version, and so its ``ETag``, is its user's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox, CurrentReads
from chassis.api.pages import Page
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from user_service.api.schemas import AnniversaryBody, CreateAnniversary, PatchAnniversary
from user_service.api.users import UserId
from user_service.application import anniversaries
from user_service.application.users import find_user
from user_service.domain.anniversaries import find

router = APIRouter(prefix="/v1/users/{userId}/anniversaries", tags=["anniversaries"])

AnniversaryId = Annotated[UUID, Path(alias="anniversaryId")]


@router.post(
    "",
    operation_id="add_anniversary_v1_users__userId__anniversaries_post",
    status_code=201,
    dependencies=[WRITE],
    responses=documented(404, 409, 412),
)
async def create_anniversary(
    user_id: UserId,
    body: CreateAnniversary,
    expected: OptionalVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    key: OptionalIdempotencyKey,
) -> AnniversaryBody:
    """Give a user one more, 20 at most. With an `Idempotency-Key`, a repeated request gives the one that is there."""
    user, anniversary = await anniversaries.add_anniversary(
        database, outbox, clock, user_id, body.occasion(), expected, key
    )
    response.headers["Location"] = f"/v1/users/{user_id}/anniversaries/{anniversary.id}"
    set_etag(response, user.version)
    return AnniversaryBody.of(anniversary)


@router.get("", dependencies=[READ], responses=documented(404))
async def list_anniversaries(user_id: UserId, response: Response, reads: CurrentReads) -> Page[AnniversaryBody]:
    """All of them, oldest entry first, on one page."""
    user = await find_user(reads, user_id)
    set_etag(response, user.version)
    return Page(items=[AnniversaryBody.of(each) for each in user.anniversaries], next_cursor=None)


@router.get("/{anniversaryId}", dependencies=[READ], responses=documented(404))
async def get_anniversary(
    user_id: UserId, anniversary_id: AnniversaryId, response: Response, reads: CurrentReads
) -> AnniversaryBody:
    """One of them; its `ETag` is its user's, and what an update of either needs as `If-Match`."""
    user = await find_user(reads, user_id)
    set_etag(response, user.version)
    return AnniversaryBody.of(find(user.anniversaries, anniversary_id))


@router.patch("/{anniversaryId}", dependencies=[WRITE], responses=documented(404, 412, 428))
async def update_anniversary(
    user_id: UserId,
    anniversary_id: AnniversaryId,
    body: PatchAnniversary,
    expected: ExpectedVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
) -> AnniversaryBody:
    """Change some fields (RFC 7396). A patch that changes nothing keeps the version."""
    user, anniversary = await anniversaries.update_anniversary(
        database, outbox, clock, user_id, anniversary_id, body.changes(), expected
    )
    set_etag(response, user.version)
    return AnniversaryBody.of(anniversary)


@router.delete(
    "/{anniversaryId}",
    operation_id="remove_anniversary_v1_users__userId__anniversaries__anniversaryId__delete",
    status_code=204,
    dependencies=[WRITE],
    responses=documented(404, 412),
)
async def delete_anniversary(
    user_id: UserId,
    anniversary_id: AnniversaryId,
    expected: OptionalVersion,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
) -> None:
    """Take one from the user."""
    await anniversaries.remove_anniversary(database, outbox, clock, user_id, anniversary_id, expected)
