"""``/v1/metrics``."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Response

from analytics_service.api.csv import DOCUMENTED, CsvResponse, Format
from analytics_service.api.ranges import CurrentRange
from analytics_service.api.schemas import (
    CountPointBody,
    CountSeriesBody,
    LatencyPointBody,
    LatencySeriesBody,
    OverviewBody,
    SeriesBody,
)
from analytics_service.application.overview import overview
from analytics_service.application.series import count_series, latency_series
from analytics_service.domain.facts import Kind, Measure
from analytics_service.domain.series import Range
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentClock, CurrentReads
from chassis.api.wire import WireModel

router = APIRouter(prefix="/v1/metrics", tags=["metrics"], dependencies=[READ])

WEEK_MINUTES = 7 * 24 * 60
SeriesT = TypeVar("SeriesT", bound=SeriesBody)


class Grouping(StrEnum):
    """Further dimensions beyond span and outcome, or measure."""

    EVENT_TYPE = "eventType"
    PRIORITY = "priority"


async def _groups(
    group_by: Annotated[
        list[Grouping], Query(alias="groupBy", max_length=2, description="Nothing: all together.")
    ] = [],  # noqa: B006
) -> dict[str, bool]:
    return {"by_type": Grouping.EVENT_TYPE in group_by, "by_priority": Grouping.PRIORITY in group_by}


Groups = Annotated[dict[str, bool], Depends(_groups)]


@router.get("/overview")
async def get_overview(
    reads: CurrentReads,
    clock: CurrentClock,
    minutes: Annotated[int, Query(ge=1, le=WEEK_MINUTES, description="How far to look back.")] = 60,
) -> OverviewBody:
    """Counts by type, priority and outcome, latency percentiles and the success rate of the last minutes."""
    return OverviewBody.of(await overview(reads, clock, minutes))


@router.get("/timeseries", response_model=CountSeriesBody, responses=DOCUMENTED)
async def get_timeseries(
    reads: CurrentReads,
    range: CurrentRange,
    groups: Groups,
    outcome: Annotated[list[Kind], Query(max_length=len(Kind), description="None: all of them.")] = [],  # noqa: B006
    format: Format = Format.JSON,
) -> CountSeriesBody | Response:
    """How often what happened, by minute, hour or day. At most 2,000 spans; empty ones are left out."""
    found = await count_series(reads, range, outcome or list(Kind), **groups)
    return _series(CountSeriesBody, range, format, CountPointBody, [CountPointBody.of(point) for point in found])


@router.get("/latency", response_model=LatencySeriesBody, responses=DOCUMENTED)
async def get_latency(
    reads: CurrentReads,
    range: CurrentRange,
    groups: Groups,
    measure: Annotated[list[Measure], Query(max_length=len(Measure), description="None: all of them.")] = [],  # noqa: B006
    format: Format = Format.JSON,
) -> LatencySeriesBody | Response:
    """Percentiles, by minute, hour or day. At most 2,000 spans; empty ones are left out."""
    found = await latency_series(reads, range, measure or list(Measure), **groups)
    return _series(LatencySeriesBody, range, format, LatencyPointBody, [LatencyPointBody.of(point) for point in found])


def _series(
    body: type[SeriesT], range: Range, format: Format, row: type[WireModel], points: Sequence[WireModel]
) -> SeriesT | Response:
    if format is Format.CSV:
        return CsvResponse(row, points)
    return body(grain=range.grain, since=range.start, until=range.end, points=points)
