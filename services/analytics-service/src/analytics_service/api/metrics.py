"""``/v1/metrics``."""

from typing import Annotated

from fastapi import APIRouter, Query

from analytics_service.api.schemas import OverviewBody
from analytics_service.application.overview import overview
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentClock, CurrentReads

router = APIRouter(prefix="/v1/metrics", tags=["metrics"], dependencies=[READ])

WEEK_MINUTES = 7 * 24 * 60


@router.get("/overview")
async def get_overview(
    reads: CurrentReads,
    clock: CurrentClock,
    minutes: Annotated[int, Query(ge=1, le=WEEK_MINUTES, description="How far to look back.")] = 60,
) -> OverviewBody:
    """Counts by type, priority and outcome, latency percentiles and the success rate of the last minutes."""
    return OverviewBody.of(await overview(reads, clock, minutes))
