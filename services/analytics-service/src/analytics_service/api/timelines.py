"""``/v1/events/{id}/timeline``."""

from uuid import UUID

from fastapi import APIRouter

from analytics_service.api.dependencies import CurrentAlmanac, JaegerUrl
from analytics_service.api.timeline_schemas import TimelineBody
from analytics_service.application.timelines import timeline
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/events", tags=["timelines"], dependencies=[READ])


@router.get("/{event_id}/timeline", responses=documented(404))
async def get_timeline(
    reads: CurrentReads, almanac: CurrentAlmanac, jaeger_url: JaegerUrl, event_id: UUID
) -> TimelineBody:
    """Everything that happened to one event, across services, oldest first, and as a waterfall.

    Where another service does not answer, `missing` names it and the waterfall is coarser.
    """
    return TimelineBody.of(event_id, await timeline(reads, almanac, event_id), jaeger_url)
