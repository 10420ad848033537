"""``/v1/endpoints``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase
from chassis.api.pages import Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from delivery_service.api.schemas import CreatedEndpointBody, CreateEndpoint, EndpointBody, PageQuery, PatchEndpoint
from delivery_service.application import endpoints

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

EndpointId = Annotated[UUID, Path(alias="endpointId")]


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create_endpoint(
    body: CreateEndpoint,
    response: Response,
    database: CurrentDatabase,
    clock: CurrentClock,
    key: OptionalIdempotencyKey,
) -> CreatedEndpointBody:
    """Create an endpoint. The reply alone holds its secret.

    With an `Idempotency-Key`, a repeated request gives the endpoint that the first one created, its secret then null.
    """
    created = await endpoints.create_endpoint(database, clock, body.config(), key)
    response.headers["Location"] = f"{router.prefix}/{created.endpoint.id}"
    # It holds a secret: nobody on the way may keep it (RFC 9111 §5.2.2.5).
    response.headers["Cache-Control"] = "no-store"
    set_etag(response, created.endpoint.version)
    return CreatedEndpointBody.created(created)


@router.get("", dependencies=[READ])
async def list_endpoints(query: Annotated[PageQuery, Query()], database: CurrentDatabase) -> Page[EndpointBody]:
    """Newest first."""
    found = await endpoints.list_endpoints(database, decode_cursor(query.cursor), query.limit + 1)
    page, more = cut(found, query.limit)
    return Page(
        items=[EndpointBody.of(endpoint) for endpoint in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get("/{endpointId}", dependencies=[READ], responses=documented(404))
async def get_endpoint(endpoint_id: EndpointId, response: Response, database: CurrentDatabase) -> EndpointBody:
    """One endpoint; its `ETag` is what an update needs as `If-Match`."""
    endpoint = await endpoints.find_endpoint(database, endpoint_id)
    set_etag(response, endpoint.version)
    return EndpointBody.of(endpoint)


@router.patch("/{endpointId}", dependencies=[WRITE], responses=documented(404, 412, 428))
async def update_endpoint(
    endpoint_id: EndpointId,
    body: PatchEndpoint,
    expected: ExpectedVersion,
    response: Response,
    database: CurrentDatabase,
    clock: CurrentClock,
) -> EndpointBody:
    """Change some fields (RFC 7396). A patch that changes nothing keeps the version.

    Deliveries that wait for a retry follow the endpoint: to its new URL, or to an end as `cancelled` while it is not
    enabled. Which events it gets is decided when an event is due, by the endpoints of that moment.
    """
    endpoint = await endpoints.update_endpoint(database, clock, endpoint_id, body.changes(), expected)
    set_etag(response, endpoint.version)
    return EndpointBody.of(endpoint)


@router.delete("/{endpointId}", status_code=204, dependencies=[WRITE], responses=documented(404, 412))
async def delete_endpoint(endpoint_id: EndpointId, expected: OptionalVersion, database: CurrentDatabase) -> None:
    """Delete an endpoint and its secret for good. Its deliveries stay to be read; waiting ones end as `cancelled`."""
    await endpoints.delete_endpoint(database, endpoint_id, expected)
