"""``/v1/events/{id}/timeline``."""

from uuid import UUID

from fastapi import APIRouter

from analytics_service.api.schemas import TimelineBody, TimelineEntryBody
from analytics_service.application.timelines import timeline
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/events", tags=["timelines"], dependencies=[READ])


@router.get("/{event_id}/timeline", responses=documented(404))
async def get_timeline(reads: CurrentReads, event_id: UUID) -> TimelineBody:
    """Everything that happened to one event, across services, oldest first."""
    entries = await timeline(reads, event_id)
    return TimelineBody(
        event_id=event_id, entries=[TimelineEntryBody.model_validate(each, from_attributes=True) for each in entries]
    )
