"""Replies about costs; all amounts are US dollars."""

from datetime import datetime
from typing import Self

from pydantic import Field

from analytics_service.api.schemas import MissingBody
from analytics_service.application.costs import CostReport
from analytics_service.domain.costs import Comparison, CostLine, Saving, compare
from analytics_service.domain.prices import (
    SOURCE_EVENTS_A_MONTH,
    SOURCE_LINES,
    SOURCE_SAVINGS,
    SOURCE_USERS,
    Category,
    SourceLine,
    source_monthly,
)
from chassis.api.wire import WireModel


class CostLineBody(WireModel):
    """What one thing cost: in the time that was observed, and at that rate in a day and a month."""

    category: Category
    name: str = Field(description="The queue, the topic, the service with its roles, or what else is paid for.")
    quantity: float
    unit: str
    amount: float
    daily: float | None
    monthly: float | None

    @classmethod
    def of(cls, line: CostLine) -> Self:
        return cls(
            category=line.category,
            name=line.name,
            quantity=line.quantity,
            unit=line.unit,
            amount=line.amount,
            daily=line.daily,
            monthly=line.monthly,
        )


class CategoryBody(WireModel):
    """A category's monthly cost, and that of the reference architecture (`sourceMonthly`)."""

    category: Category
    monthly: float | None
    source_monthly: float

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        return cls(category=comparison.category, monthly=comparison.monthly, source_monthly=comparison.source)


class SavingBody(WireModel):
    """A possible saving a month: the share it has in the reference architecture, applied to the observed costs."""

    name: str
    monthly_min: float | None = Field(description="Null where usage does not show it.")
    monthly_max: float | None
    source_monthly_min: float
    source_monthly_max: float

    @classmethod
    def of(cls, saving: Saving) -> Self:
        return cls(
            name=saving.source.name,
            monthly_min=saving.least,
            monthly_max=saving.most,
            source_monthly_min=saving.source.least,
            source_monthly_max=saving.source.most,
        )


class SourceLineBody(WireModel):
    """A line of the reference architecture's estimate."""

    category: Category
    name: str
    monthly: float

    @classmethod
    def of(cls, line: SourceLine) -> Self:
        return cls(category=line.category, name=line.name, monthly=line.monthly)


class SourceBody(WireModel):
    """The estimate of the reference architecture for a million users (docs/scaling.md)."""

    events_per_month: int
    users: int
    monthly: float
    monthly_after_savings: float = Field(description="After the least of its savings.")
    per_event: float
    per_user: float
    lines: list[SourceLineBody]

    @classmethod
    def known(cls) -> Self:
        monthly = source_monthly()
        return cls(
            events_per_month=SOURCE_EVENTS_A_MONTH,
            users=SOURCE_USERS,
            monthly=monthly,
            monthly_after_savings=monthly - sum(saving.least for saving in SOURCE_SAVINGS),
            per_event=monthly / SOURCE_EVENTS_A_MONTH,
            per_user=monthly / SOURCE_USERS,
            lines=[SourceLineBody.of(line) for line in SOURCE_LINES],
        )


class CostsBody(WireModel):
    """The costs of a while. Compute is what processes used, which is the least that can be paid for them."""

    since: datetime
    until: datetime
    observed_seconds: float = Field(description="For how long something was counted in it: amounts are of this time.")
    events: int = Field(description="How many were published.")
    projected: bool = Field(
        description="False: less than an hour was observed, too little to project; `daily` and `monthly` are null."
    )
    amount: float
    daily: float | None
    monthly: float | None
    per_event: float | None = Field(description="Everything. Null where no event was published.")
    bus_per_event: float | None = Field(description="SQS and SNS alone.")
    calls_per_event: float | None = Field(description="Calls to SQS and SNS.")
    lines: list[CostLineBody]
    categories: list[CategoryBody]
    savings: list[SavingBody]
    source: SourceBody
    missing: list[MissingBody] = Field(description="Services whose usage is not known, and not in the amounts.")

    @classmethod
    def of(cls, report: CostReport) -> Self:
        costs = report.costs
        return cls(
            since=report.since,
            until=report.until,
            observed_seconds=costs.hours * 3600,
            events=costs.events,
            projected=costs.projected,
            amount=costs.amount(),
            daily=costs.daily,
            monthly=costs.monthly(),
            per_event=costs.per_event,
            bus_per_event=costs.bus_per_event,
            calls_per_event=costs.calls_per_event,
            lines=[CostLineBody.of(line) for line in costs.lines],
            categories=[CategoryBody.of(each) for each in compare(costs)],
            savings=[SavingBody.of(each) for each in costs.savings],
            source=SourceBody.known(),
            missing=[MissingBody.of(each) for each in report.missing],
        )
