"""``/v1/endpoints``: how they did; what they are is delivery-service's to say."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from analytics_service.api.csv import DOCUMENTED, CsvResponse, Format
from analytics_service.api.ranges import CurrentRange
from analytics_service.api.schemas import EndpointResultsBody, EndpointRow, EndpointSummaryBody
from analytics_service.application.series import endpoint_results
from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"], dependencies=[READ])


@router.get(
    "/results",
    operation_id="get_results_v1_endpoints_results_get",
    response_model=EndpointResultsBody,
    responses=DOCUMENTED,
)
async def get_endpoint_results(
    reads: CurrentReads,
    range: CurrentRange,
    endpoint_id: Annotated[UUID | None, Query(alias="endpointId", description="None: all of them.")] = None,
    format: Format = Format.JSON,
) -> EndpointResultsBody | Response:
    """How deliveries ended at each endpoint, the busiest first, with the latency of their last attempts."""
    found = await endpoint_results(reads, range, endpoint_id)
    if format is Format.CSV:
        return CsvResponse(EndpointRow, map(EndpointRow.of, found))
    return EndpointResultsBody(
        since=range.start, until=range.end, endpoints=[EndpointSummaryBody.of(each) for each in found]
    )
