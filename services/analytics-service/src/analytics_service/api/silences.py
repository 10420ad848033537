"""``/v1/silences``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from analytics_service.api.alert_schemas import NewSilence, SilenceBody
from analytics_service.application import alert_requests
from chassis.api.auth import READ, WRITE, CurrentPrincipal
from chassis.api.dependencies import CurrentDatabase, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/silences", tags=["alerts"])


@router.post("", operation_id="post_silence_v1_silences_post", dependencies=[WRITE], status_code=201)
async def create_silence(new: NewSilence, database: CurrentDatabase, principal: CurrentPrincipal) -> SilenceBody:
    """Suppress notifications of some alerts until a time. They are still evaluated and listed."""
    made = await alert_requests.silence(
        database, rule=new.rule, labels=new.labels.given(), until=new.until, reason=new.reason, by=principal.name
    )
    return SilenceBody.model_validate(made, from_attributes=True)


@router.get("", operation_id="get_silences_v1_silences_get", dependencies=[READ])
async def list_silences(
    reads: CurrentReads,
    active: Annotated[bool, Query(description="Only those that are in force.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SilenceBody]:
    """Newest first."""
    found = await alert_requests.list_silences(reads, active=active, before=decode_cursor(cursor), limit=limit + 1)
    page, more = cut(found, limit)
    return Page(
        items=[SilenceBody.model_validate(each, from_attributes=True) for each in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.delete("/{silence_id}", dependencies=[WRITE], status_code=204, responses=documented(404))
async def delete_silence(silence_id: UUID, database: CurrentDatabase, principal: CurrentPrincipal) -> None:
    """End it now. An alert that fires under it is notified at the next evaluation."""
    await alert_requests.end_silence(database, silence_id, by=principal.name)
