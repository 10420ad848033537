"""``/v1/endpoints``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from chassis.api.auth import READ, WRITE
from chassis.api.dependencies import CurrentClock, CurrentDatabase, CurrentOutbox
from chassis.api.pages import Page, cut, decode_cursor, encode_cursor
from chassis.api.preconditions import ExpectedVersion, OptionalIdempotencyKey, OptionalVersion, set_etag
from chassis.api.problems import documented
from delivery_service.api.dependencies import CurrentChannels, CurrentSecurity
from delivery_service.api.endpoint_action_schemas import (
    DisableEndpoint,
    RotateSecret,
    SecuredEndpointBody,
    TestEndpoint,
)
from delivery_service.api.endpoint_schemas import CreateEndpoint, EndpointBody, PatchEndpoint
from delivery_service.api.schemas import AttemptBody, PageQuery
from delivery_service.api.statistics_schemas import StatisticsBody
from delivery_service.application import endpoint_testing, endpoints
from delivery_service.application.endpoints import View
from delivery_service.domain.endpoints import Endpoint

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

EndpointId = Annotated[UUID, Path(alias="endpointId")]


@router.post("", status_code=201, dependencies=[WRITE], responses=documented(404))
async def create_endpoint(
    body: CreateEndpoint,
    response: Response,
    database: CurrentDatabase,
    clock: CurrentClock,
    security: CurrentSecurity,
    key: OptionalIdempotencyKey,
) -> SecuredEndpointBody:
    """Create an endpoint. The reply alone holds its secret.

    With an `Idempotency-Key`, a repeated request gives the endpoint that the first one created, its secret then null.
    """
    created = await endpoints.create_endpoint(database, clock, security, body.config(), body.signing(), key)
    response.headers["Location"] = f"{router.prefix}/{created.endpoint.id}"
    _keep_from_caches(response)
    set_etag(response, created.endpoint.version)
    return SecuredEndpointBody.secured(created)


@router.get("", dependencies=[READ])
async def list_endpoints(
    query: Annotated[PageQuery, Query()], database: CurrentDatabase, security: CurrentSecurity
) -> Page[EndpointBody]:
    """Newest first."""
    before = decode_cursor(query.cursor)
    found = await endpoints.list_endpoints(database, security.cipher, before, query.limit + 1)
    page, more = cut(found, query.limit)
    return Page(
        items=[EndpointBody.of(View.of(endpoint)) for endpoint in page],
        next_cursor=encode_cursor((page[-1].created_at, page[-1].id)) if more else None,
    )


@router.get("/{endpointId}", dependencies=[READ], responses=documented(404))
async def get_endpoint(
    endpoint_id: EndpointId, response: Response, database: CurrentDatabase, security: CurrentSecurity
) -> EndpointBody:
    """One endpoint; its `ETag` is what an update needs as `If-Match`."""
    return _shown(await endpoints.find_endpoint(database, security.cipher, endpoint_id), response)


@router.get(
    "/{endpointId}/stats",
    operation_id="get_endpoint_statistics_v1_endpoints__endpointId__stats_get",
    dependencies=[READ],
    responses=documented(404),
)
async def get_endpoint_stats(endpoint_id: EndpointId, database: CurrentDatabase) -> StatisticsBody:
    """How it has done: over its newest 1,000 deliveries, as far as they are of the last 24 hours."""
    return StatisticsBody.of(await endpoints.endpoint_statistics(database, endpoint_id))


@router.patch("/{endpointId}", dependencies=[WRITE], responses=documented(404, 412, 428))
async def update_endpoint(
    endpoint_id: EndpointId,
    body: PatchEndpoint,
    expected: ExpectedVersion,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    security: CurrentSecurity,
) -> EndpointBody:
    """Change some fields (RFC 7396). A patch that changes nothing keeps the version.

    Attempts that begin more than a second later use the new URL, headers and limits; an attempt in progress finishes
    at the old URL, and its result counts neither for nor against the changed endpoint. Where the patch disables it,
    waiting deliveries end as `disabled`. Which events it gets is decided when an event is due, by the endpoints of
    that moment.
    """
    endpoint = await endpoints.update_endpoint(database, outbox, clock, security, endpoint_id, body.changes(), expected)
    return _shown(endpoint, response)


@router.post(
    "/{endpointId}/rotate-secret",
    operation_id="rotate_secret_v1_endpoints__endpointId__rotate_secret_post",
    dependencies=[WRITE],
    responses=documented(404, 409, 412),
)
async def rotate_endpoint_secret(
    endpoint_id: EndpointId,
    expected: OptionalVersion,
    response: Response,
    database: CurrentDatabase,
    clock: CurrentClock,
    security: CurrentSecurity,
    body: RotateSecret | None = None,
) -> SecuredEndpointBody:
    """Sign with a new secret. The reply alone holds it.

    Until the overlap has passed, each webhook has a signature by every secret, so that a receiver may change over at
    any time in between.
    """
    wanted = body or RotateSecret()
    rotated = await endpoints.rotate_secret(
        database,
        clock,
        security.cipher,
        endpoint_id,
        wanted.secret,
        overlap_seconds=wanted.overlap_seconds,
        expected=expected,
    )
    _keep_from_caches(response)
    set_etag(response, rotated.endpoint.version)
    return SecuredEndpointBody.secured(rotated)


@router.post("/{endpointId}/enable", dependencies=[WRITE], responses=documented(404))
async def enable_endpoint(
    endpoint_id: EndpointId,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    security: CurrentSecurity,
) -> EndpointBody:
    """Let it get events again, with a closed circuit. Clears the reason for which it was disabled.

    What ended as `disabled` meanwhile goes out by `POST /v1/dead-letters/redrive` with its `endpointId`.
    """
    endpoint = await endpoints.switch_endpoint(
        database, outbox, clock, security.cipher, endpoint_id, enabled=True, reason=None
    )
    return _shown(endpoint, response)


@router.post("/{endpointId}/disable", dependencies=[WRITE], responses=documented(404))
async def disable_endpoint(
    endpoint_id: EndpointId,
    response: Response,
    database: CurrentDatabase,
    outbox: CurrentOutbox,
    clock: CurrentClock,
    security: CurrentSecurity,
    body: DisableEndpoint | None = None,
) -> EndpointBody:
    """Send nothing more to it: no attempt begins later than a second after the answer.

    Deliveries that wait end at once as `disabled`: dead letters, to be redriven once it is enabled.
    """
    reason = body.reason if body else None
    endpoint = await endpoints.switch_endpoint(
        database, outbox, clock, security.cipher, endpoint_id, enabled=False, reason=reason
    )
    return _shown(endpoint, response)


@router.post("/{endpointId}/test", dependencies=[WRITE], responses=documented(404))
async def test_endpoint(
    endpoint_id: EndpointId, database: CurrentDatabase, channels: CurrentChannels, body: TestEndpoint | None = None
) -> AttemptBody:
    """Send a test event now and return the result.

    A webhook is signed as all are, and of the type `test`. Nothing is stored, nothing is tried again, and it does not
    matter whether the endpoint is enabled.
    """
    contact = (body or TestEndpoint()).contact()
    return AttemptBody.of(await endpoint_testing.test_endpoint(database, channels, endpoint_id, contact))


@router.delete("/{endpointId}", status_code=204, dependencies=[WRITE], responses=documented(404, 412))
async def delete_endpoint(
    endpoint_id: EndpointId, expected: OptionalVersion, database: CurrentDatabase, outbox: CurrentOutbox
) -> None:
    """Delete an endpoint and its secret for good: no attempt begins later than a second after the answer.

    Its deliveries stay to be read; waiting ones end at once as `cancelled`.
    """
    await endpoints.delete_endpoint(database, outbox, endpoint_id, expected)


def _shown(endpoint: Endpoint, response: Response) -> EndpointBody:
    set_etag(response, endpoint.version)
    return EndpointBody.of(View.of(endpoint))


def _keep_from_caches(response: Response) -> None:
    # It holds a secret: no cache may store it (RFC 9111 §5.2.2.5).
    response.headers["Cache-Control"] = "no-store"
