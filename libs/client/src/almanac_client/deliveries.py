"""Endpoints, deliveries and dead letters (delivery-service)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from almanac_client.reports import Reports
from almanac_client.transport import Api
from contracts.http.deliveries import (
    Attempt,
    DeadLetter,
    DeadLetterDetail,
    Delivery,
    DeliveryDetail,
    Discarded,
    Endpoint,
    EndpointStats,
    Redrive,
    SecuredEndpoint,
)
from contracts.http.model import ListPage
from contracts.http.status import DeliveryServiceStatus

LONGEST_TEST_SECONDS = 35.0
"""An attempt may take 30 s, and delivery-service a little more."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Calls of delivery-service about endpoints. Each raises AlmanacError."""

    api: Api

    async def create(self, endpoint: Mapping[str, Any], *, key: str | None = None) -> Endpoint:
        """Register an endpoint. Its ``secret`` is in this answer alone."""
        return await self.api.create(Endpoint, "/v1/endpoints", endpoint, key)

    async def get(self, endpoint_id: UUID) -> Endpoint:
        return await self.api.get(Endpoint, f"/v1/endpoints/{endpoint_id}")

    async def page(self, *, limit: int | None = None, cursor: str | None = None) -> ListPage[Endpoint]:
        """One page of :meth:`iterate`."""
        return await self.api.page(Endpoint, "/v1/endpoints", {"limit": limit, "cursor": cursor})

    def iterate(self) -> AsyncIterator[Endpoint]:
        """All endpoints, newest first."""
        return self.api.pages(Endpoint, "/v1/endpoints")

    async def stats(self, endpoint_id: UUID) -> EndpointStats:
        """Results of its newest 1,000 deliveries of the last 24 hours, and its circuit."""
        return await self.api.get(EndpointStats, f"/v1/endpoints/{endpoint_id}/stats")

    async def enable(self, endpoint_id: UUID) -> Endpoint:
        return await self.api.send(Endpoint, "POST", f"/v1/endpoints/{endpoint_id}/enable")

    async def disable(self, endpoint_id: UUID, reason: str | None = None) -> Endpoint:
        """Send nothing more to it; its waiting deliveries end as dead letters."""
        body = None if reason is None else {"reason": reason}
        return await self.api.send(Endpoint, "POST", f"/v1/endpoints/{endpoint_id}/disable", body)

    async def rotate_secret(self, endpoint_id: UUID, *, overlap_seconds: int) -> SecuredEndpoint:
        """Sign with a new secret; earlier secrets sign, too, for ``overlap_seconds``."""
        path, body = f"/v1/endpoints/{endpoint_id}/rotate-secret", {"overlapSeconds": overlap_seconds}
        return await self.api.send(SecuredEndpoint, "POST", path, body)

    async def test(self, endpoint_id: UUID, contact: Mapping[str, str] | None = None) -> Attempt:
        """Send a test event now, within 35 s. ``contact`` is the receiver, for e-mail and SMS endpoints."""
        path = f"/v1/endpoints/{endpoint_id}/test"
        return await self.api.send(Attempt, "POST", path, contact, timeout_seconds=LONGEST_TEST_SECONDS)

    async def delete(self, endpoint_id: UUID) -> None:
        await self.api.request("DELETE", f"/v1/endpoints/{endpoint_id}")


@dataclass(frozen=True, slots=True)
class Deliveries(Reports):
    """Calls of delivery-service about deliveries. Each raises AlmanacError."""

    async def get(self, delivery_id: UUID) -> DeliveryDetail:
        return await self.api.get(DeliveryDetail, f"/v1/deliveries/{delivery_id}")

    async def page(
        self,
        *,
        event_id: UUID | None = None,
        endpoint_id: UUID | None = None,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ListPage[Delivery]:
        """One page of :meth:`iterate`."""
        query = {"eventId": event_id, "endpointId": endpoint_id, "status": status, "limit": limit, "cursor": cursor}
        return await self.api.page(Delivery, "/v1/deliveries", query)

    def iterate(self, **filters: str) -> AsyncIterator[Delivery]:
        """All deliveries that meet every filter of ``GET /v1/deliveries``, newest first."""
        return self.api.pages(Delivery, "/v1/deliveries", filters)

    async def retry(self, delivery_id: UUID) -> None:
        """Try a delivery now."""
        await self.api.request("POST", f"/v1/deliveries/{delivery_id}/retry")

    async def status(self) -> DeliveryServiceStatus:
        """What every service reports, and deliveries, circuits and dead letters."""
        return await self.api.get(DeliveryServiceStatus, "/v1/status")


@dataclass(frozen=True)
class DeadLetterFilter:
    """Dead letters that meet every filter that is not None. They were given up in [start, end)."""

    event_type: str | None = None
    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    reason: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it means all dead letters, which no change of many accepts."""
        return all(getattr(self, field.name) is None for field in fields(self))

    def wire(self) -> dict[str, str]:
        """Return the filters by the names and in the form of the API."""
        named = {
            "eventType": self.event_type,
            "eventId": self.event_id,
            "endpointId": self.endpoint_id,
            "reason": self.reason,
            "from": self.start,
            "to": self.end,
        }
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in named.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Calls of delivery-service about dead letters. Each raises AlmanacError."""

    api: Api

    async def page(
        self,
        chosen: DeadLetterFilter | None = None,
        *,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ListPage[DeadLetter]:
        """One page of those that meet the filter, newest first; ``status`` None: of every status."""
        query = {**(chosen or DeadLetterFilter()).wire(), "status": status, "limit": limit, "cursor": cursor}
        return await self.api.page(DeadLetter, "/v1/dead-letters", query)

    async def get(self, letter_id: UUID) -> DeadLetterDetail:
        return await self.api.get(DeadLetterDetail, f"/v1/dead-letters/{letter_id}")

    async def redrive(self, letter_id: UUID) -> DeadLetter:
        """Send it again, with the same idempotency key."""
        return await self.api.send(DeadLetter, "POST", f"/v1/dead-letters/{letter_id}/redrive")

    async def discard(self, letter_id: UUID, note: str) -> DeadLetter:
        """Close it without sending; ``note`` gives the reason."""
        return await self.api.send(DeadLetter, "POST", f"/v1/dead-letters/{letter_id}/discard", {"note": note})

    async def redrive_many(self, chosen: DeadLetterFilter) -> Redrive:
        """Start to send again all that are open and meet the filter, which must not be empty."""
        return await self.api.send(Redrive, "POST", "/v1/dead-letters/redrive", chosen.wire())

    async def redrive_progress(self, redrive_id: UUID) -> Redrive:
        return await self.api.get(Redrive, f"/v1/dead-letters/redrives/{redrive_id}")

    async def cancel_redrive(self, redrive_id: UUID) -> Redrive:
        """Stop a redrive of many; the rest stays open."""
        return await self.api.send(Redrive, "POST", f"/v1/dead-letters/redrives/{redrive_id}/cancel")

    async def discard_many(self, chosen: DeadLetterFilter, note: str) -> int:
        """Discard all that are open and meet the filter, which must not be empty. Returns their number."""
        body = {**chosen.wire(), "note": note}
        return (await self.api.send(Discarded, "POST", "/v1/dead-letters/discard", body)).discarded
