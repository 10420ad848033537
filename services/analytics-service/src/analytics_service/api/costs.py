"""``/v1/costs``."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from analytics_service.api.cost_schemas import CostLineBody, CostsBody
from analytics_service.api.csv import DOCUMENTED, CsvResponse, Format
from analytics_service.api.dependencies import CurrentAlmanac, CurrentPrices
from analytics_service.application.costs import cost_report
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.wire import Instant

router = APIRouter(prefix="/v1/costs", tags=["costs"], dependencies=[READ])


@router.get("", response_model=CostsBody, responses=DOCUMENTED)
async def get_costs(
    reads: CurrentReads,
    almanac: CurrentAlmanac,
    prices: CurrentPrices,
    start: Annotated[
        Instant | None, Query(alias="from", description="In the first hour. By default 24 hours before `to`.")
    ] = None,
    end: Annotated[Instant | None, Query(alias="to", description="By default now.")] = None,
    format: Format = Format.JSON,
) -> CostsBody | Response:
    """What it would have cost on AWS, by line, from counted calls, measured CPU and prices; in US dollars.

    Compared with the estimate and savings of the reference architecture (docs/scaling.md) for a million users.
    The period is whole hours of real time, at most 400 days.
    """
    report = await cost_report(reads, almanac, prices, start, end)
    if format is Format.CSV:
        return CsvResponse(CostLineBody, [CostLineBody.of(line) for line in report.costs.lines])
    return CostsBody.of(report)
