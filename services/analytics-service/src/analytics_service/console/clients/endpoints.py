"""delivery-service's API: endpoints, how they do, and what is delivered to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics_service.console.clients.http import Answer, Api

PAGE = 25
"""How many rows a page of the console shows."""


LONGEST_TEST_SECONDS = 35.0
"""An attempt may take half a minute; a little more for the response of delivery-service."""


class Attempt(Answer):
    """One attempt and its result."""

    status: str
    http_status: int | None
    error: str | None
    excerpt: str | None
    started_at: datetime
    duration_seconds: float
    trace_id: str | None


class Endpoint(Answer):
    """Where events are delivered to."""

    id: UUID
    kind: str
    url: str | None
    description: str | None
    event_types: tuple[str, ...]
    priorities: tuple[str, ...]
    tags: tuple[str, ...]
    timeout_seconds: int
    rate_limit: float | None
    concurrency: int | None
    retry_schedule: tuple[float, ...] | None
    respect_send_window: bool = False
    signature_algorithm: str | None
    previous_secret_until: datetime | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    created_at: datetime
    unreadable: bool = False
    """The key that encrypts its secrets is lost: nothing can be sent to it."""

    @property
    def name(self) -> str:
        """What a person would call it."""
        return self.description or self.url or self.kind


class EndpointPage(Answer):
    """Endpoints of one page of a list, and where the next begins."""

    items: tuple[Endpoint, ...]
    next_cursor: str | None = None


class SecuredEndpoint(Endpoint):
    """An endpoint with a new secret, which is not shown again; without one, ``note`` says why."""

    secret: str | None
    note: str | None


class Percentiles(Answer):
    """Seconds that attempts took."""

    p50: float
    p95: float
    p99: float


class Circuit(Answer):
    """Whether attempts are held back."""

    state: str
    failures_in_row: int
    failing_since: datetime | None
    probe_at: datetime | None


class Health(Answer):
    """How an endpoint did over its newest deliveries of the last day, and how its circuit stands now."""

    circuit: Circuit
    deliveries: int
    pending: int
    succeeded: int
    failed: int
    success_rate: float | None
    attempts: int
    latency: Percentiles | None
    last_error: Attempt | None


class Delivery(Answer):
    """One event on its way to one endpoint."""

    id: UUID
    event_id: UUID
    user_id: UUID | None
    event_type: str
    endpoint_id: UUID | None
    status: str
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    http_status: int | None
    latency_seconds: float | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryPage(Answer):
    """Deliveries of one page of a list, and where the next begins."""

    items: tuple[Delivery, ...]
    next_cursor: str | None = None


class DeliveryHistory(Delivery):
    """A delivery with its attempts, oldest first."""

    history: tuple[Attempt, ...]


@dataclass(frozen=True)
class EndpointsClient:
    """Asks delivery-service. Everything raises ServiceError."""

    api: Api

    async def page(self, cursor: str | None = None, limit: int = PAGE) -> EndpointPage:
        """Newest first."""
        return await self.api.get("/v1/endpoints", EndpointPage, cursor=cursor, limit=limit)

    async def get(self, endpoint_id: UUID) -> Endpoint:
        return await self.api.get(f"/v1/endpoints/{endpoint_id}", Endpoint)

    async def health(self, endpoint_id: UUID) -> Health:
        return await self.api.get(f"/v1/endpoints/{endpoint_id}/stats", Health)

    async def deliveries(self, endpoint_id: UUID, status: str, limit: int = 10) -> DeliveryPage:
        """The endpoint's newest deliveries that are PENDING, SUCCEEDED or FAILED."""
        return await self.api.get("/v1/deliveries", DeliveryPage, endpointId=endpoint_id, status=status, limit=limit)

    async def delivery(self, delivery_id: UUID) -> DeliveryHistory:
        return await self.api.get(f"/v1/deliveries/{delivery_id}", DeliveryHistory)

    async def enable(self, endpoint_id: UUID) -> Endpoint:
        return Endpoint.model_validate(await self._do(endpoint_id, "enable"))

    async def disable(self, endpoint_id: UUID, reason: str | None) -> Endpoint:
        return Endpoint.model_validate(await self._do(endpoint_id, "disable", {"reason": reason}))

    async def rotate_secret(self, endpoint_id: UUID, overlap_seconds: int) -> SecuredEndpoint:
        """The secrets of before sign too until ``overlap_seconds`` have passed."""
        answer = await self._do(endpoint_id, "rotate-secret", {"overlapSeconds": overlap_seconds})
        return SecuredEndpoint.model_validate(answer)

    async def test(self, endpoint_id: UUID, contact: Mapping[str, str] | None = None) -> Attempt:
        """Send a test event now. ``contact`` says to whom, where the channel writes to persons."""
        path = f"/v1/endpoints/{endpoint_id}/test"
        answer = await self.api.send("POST", path, contact, timeout_seconds=LONGEST_TEST_SECONDS)
        return Attempt.model_validate(answer)

    async def _do(self, endpoint_id: UUID, verb: str, body: object = None) -> object:
        return await self.api.send("POST", f"/v1/endpoints/{endpoint_id}/{verb}", body)
