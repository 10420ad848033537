"""analytics-service's account of what all of it would cost on AWS; amounts are US dollars."""

from dataclasses import dataclass
from datetime import datetime

from analytics_service.console.clients.http import Answer, Api


class CostLine(Answer):
    """What one thing cost, in the time that was observed, and at that rate in a day and in a month."""

    category: str
    name: str
    quantity: float
    unit: str
    amount: float
    daily: float
    monthly: float


class CategoryCost(Answer):
    """A category's monthly cost, and the reference architecture's."""

    category: str
    monthly: float
    source_monthly: float


class Saving(Answer):
    """What could be saved by the month; None where our costs do not tell."""

    name: str
    monthly_min: float | None
    monthly_max: float | None
    source_monthly_min: float
    source_monthly_max: float


class Source(Answer):
    """The estimate of the reference architecture."""

    events_per_month: int
    users: int
    monthly: float
    monthly_after_savings: float
    per_event: float


class Missing(Answer):
    """A service whose usage is not in the amounts, and why."""

    service: str
    reason: str


class Costs(Answer):
    """The costs of a while."""

    since: datetime
    until: datetime
    observed_seconds: float
    events: int
    amount: float
    daily: float
    monthly: float
    per_event: float | None
    bus_per_event: float | None
    calls_per_event: float | None
    lines: tuple[CostLine, ...]
    categories: tuple[CategoryCost, ...]
    savings: tuple[Saving, ...]
    source: Source
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class CostsClient:
    """Asks analytics-service. Raises ServiceError."""

    api: Api

    async def last_day(self) -> Costs:
        """Of the last 24 hours."""
        return await self.api.get("/v1/costs", Costs)
