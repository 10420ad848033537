"""``/v1/forecast``."""

from datetime import time
from typing import Annotated

from fastapi import APIRouter, Query

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentCache, CurrentClock, CurrentReads
from chassis.core.errors import ExclusiveParametersError
from event_service.api.schemas import ForecastBody, PassagesBody
from event_service.application.forecasts import forecast
from event_service.application.passages import time_passes

router = APIRouter(prefix="/v1/forecast", tags=["forecast"], dependencies=[READ])

DAYS = 31
"""As far as one may look ahead."""


@router.get("")
async def get_forecast(
    reads: CurrentReads,
    cache: CurrentCache,
    clock: CurrentClock,
    hours: Annotated[
        int | None, Query(ge=1, le=24 * DAYS, description="How many hours, the current one included; 24 by default.")
    ] = None,
    days: Annotated[int | None, Query(ge=1, le=DAYS, description="The same in days of 24 hours.")] = None,
) -> ForecastBody:
    """How much is due, by hour (of UTC) and priority. It may be some seconds old."""
    if hours is not None and days is not None:
        raise ExclusiveParametersError("days", "give hours or days, not both")
    return ForecastBody.of(await forecast(reads, cache, clock, hours or 24 * (days or 1)))


@router.get("/passages")
async def get_passages(
    reads: CurrentReads,
    cache: CurrentCache,
    clock: CurrentClock,
    at: Annotated[
        str, Query(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="A time of day, as clocks show it.")
    ] = "09:00",
) -> PassagesBody:
    """The zones in which clocks showed a time within the last hour or will within a day, with the events due there at
    that instant.

    Zones in which nothing is due are left out. It may be some seconds old.
    """
    return PassagesBody.of(at, await time_passes(reads, cache, clock, time.fromisoformat(at)))
