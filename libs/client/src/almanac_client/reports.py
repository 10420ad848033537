"""What every service reports of itself."""

from dataclasses import dataclass
from datetime import datetime

from almanac_client.transport import Api
from contracts.http.status import ServiceStatus, ServiceUsage


@dataclass(frozen=True, slots=True)
class Reports:
    """Calls that all four services answer. Each raises AlmanacError."""

    api: Api

    @property
    def service(self) -> str:
        """The name of the service, as ``user-service``."""
        return self.api.service

    async def status(self) -> ServiceStatus:
        """Connections, outbox and queues of the whole fleet. At most a second old."""
        return await self.api.get(ServiceStatus, "/v1/status")

    async def usage(self, start: datetime | None = None, end: datetime | None = None) -> ServiceUsage:
        """Usage in whole hours, from the one that holds ``start``; by default of the 24 hours until now."""
        return await self.api.get(ServiceUsage, "/v1/usage", {"from": start, "to": end})
