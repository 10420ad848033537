"""Metrics and timelines (analytics-service)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from almanac_client.transport import Api


@dataclass(frozen=True, slots=True)
class Analytics:
    """Calls of analytics-service. Each raises ApiError or NotReachableError."""

    api: Api

    async def overview(self) -> dict[str, Any]:
        """What ``GET /v1/metrics/overview`` shows."""
        overview: dict[str, Any] = (await self.api.request("GET", "/v1/metrics/overview")).json()
        return overview

    async def timeline(self, event_id: UUID) -> dict[str, Any]:
        """All that became of an event, over all services."""
        timeline: dict[str, Any] = (await self.api.request("GET", f"/v1/events/{event_id}/timeline")).json()
        return timeline
