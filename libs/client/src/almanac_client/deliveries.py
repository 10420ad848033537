"""Endpoints and deliveries (delivery-service)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from almanac_client.models import Delivery, Endpoint
from almanac_client.transport import Api, new_key


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Calls of delivery-service about endpoints. Each raises ApiError or NotReachableError."""

    api: Api

    async def create(self, endpoint: Mapping[str, Any], *, key: str | None = None) -> Endpoint:
        """Register an endpoint. Its ``secret`` is in this answer alone."""
        headers = {"Idempotency-Key": key or new_key()}
        response = await self.api.request("POST", "/v1/endpoints", body=endpoint, headers=headers)
        return Endpoint.model_validate_json(response.content)

    async def get(self, endpoint_id: UUID) -> Endpoint:
        return await self.api.get(Endpoint, f"/v1/endpoints/{endpoint_id}")

    def iterate(self) -> AsyncIterator[Endpoint]:
        """All endpoints, newest first."""
        return self.api.pages(Endpoint, "/v1/endpoints")

    async def enable(self, endpoint_id: UUID) -> Endpoint:
        return await self._act(endpoint_id, "enable")

    async def disable(self, endpoint_id: UUID) -> Endpoint:
        """Send nothing more to it; its waiting deliveries end as dead letters."""
        return await self._act(endpoint_id, "disable")

    async def _act(self, endpoint_id: UUID, action: str) -> Endpoint:
        response = await self.api.request("POST", f"/v1/endpoints/{endpoint_id}/{action}")
        return Endpoint.model_validate_json(response.content)

    async def delete(self, endpoint_id: UUID) -> None:
        await self.api.request("DELETE", f"/v1/endpoints/{endpoint_id}")


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Calls of delivery-service about deliveries. Each raises ApiError or NotReachableError."""

    api: Api

    def iterate(self, **filters: str) -> AsyncIterator[Delivery]:
        """All deliveries that meet every filter of ``GET /v1/deliveries``, newest first."""
        return self.api.pages(Delivery, "/v1/deliveries", filters)

    async def retry(self, delivery_id: UUID) -> None:
        """Try a delivery now."""
        await self.api.request("POST", f"/v1/deliveries/{delivery_id}/retry")
