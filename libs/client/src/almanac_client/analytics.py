"""Counts, timelines, costs, alerts and silences (analytics-service)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from almanac_client.reports import Reports
from almanac_client.transport import Api
from contracts.http.alerts import Alert, AlertChange, AlertRule, AlertRules, Silence
from contracts.http.analytics import Costs, CountSeries, LatencySeries, Overview, Timeline
from contracts.http.model import ListPage

Grain = Literal["minute", "hour", "day"]


@dataclass(frozen=True, slots=True)
class Analytics(Reports):
    """Calls of analytics-service about counts, events and costs. Each raises AlmanacError."""

    async def overview(self, *, minutes: int | None = None) -> Overview:
        """Counts and latencies of the last ``minutes``; by default of the service's own window."""
        return await self.api.get(Overview, "/v1/metrics/overview", {"minutes": minutes})

    async def timeline(self, event_id: UUID) -> Timeline:
        """The history of an event in all services."""
        return await self.api.get(Timeline, f"/v1/events/{event_id}/timeline")

    async def counts(
        self,
        grain: Grain,
        *outcomes: str,
        since: datetime | None = None,
        by: Literal["priority", "eventType"] | None = None,
    ) -> CountSeries:
        """How often ``outcomes`` occurred in each minute, hour or day: in the last 60, or from ``since`` on."""
        query = {"grain": grain, "outcome": outcomes, "groupBy": by, "from": since}
        return await self.api.get(CountSeries, "/v1/metrics/timeseries", query)

    async def latency(self, grain: Grain, measure: str, *, since: datetime | None = None) -> LatencySeries:
        """Percentiles of a measure over all types: in the last 60 spans, or from ``since`` on."""
        query = {"grain": grain, "measure": measure, "from": since}
        return await self.api.get(LatencySeries, "/v1/metrics/latency", query)

    async def costs(self, start: datetime | None = None, end: datetime | None = None) -> Costs:
        """What the time window would have cost on AWS; by default the last 24 hours."""
        return await self.api.get(Costs, "/v1/costs", {"from": start, "to": end})


@dataclass(frozen=True, slots=True)
class Alerts:
    """Calls of analytics-service about alerts. Each raises AlmanacError."""

    api: Api

    async def page(self, *, limit: int | None = None, cursor: str | None = None) -> ListPage[Alert]:
        """Pending and firing alerts, the newest first."""
        return await self.api.page(Alert, "/v1/alerts", {"limit": limit, "cursor": cursor})

    async def history(self, *, limit: int | None = None, cursor: str | None = None) -> ListPage[AlertChange]:
        """Alerts that fired, were acknowledged or resolved, the newest first."""
        return await self.api.page(AlertChange, "/v1/alerts/history", {"limit": limit, "cursor": cursor})

    async def rules(self) -> tuple[AlertRule, ...]:
        """The rules in force."""
        return (await self.api.get(AlertRules, "/v1/alerts/rules")).rules

    async def acknowledge(self, alert_id: UUID, note: str | None = None) -> Alert:
        """Stop the reminders of an alert that fires."""
        return await self.api.send(Alert, "POST", f"/v1/alerts/{alert_id}/acknowledge", {"note": note})


@dataclass(frozen=True, slots=True)
class Silences:
    """Calls of analytics-service about silences. Each raises AlmanacError."""

    api: Api

    async def page(
        self, *, active: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> ListPage[Silence]:
        """Silences, the newest first; ``active`` True: only those in force."""
        return await self.api.page(Silence, "/v1/silences", {"active": active, "limit": limit, "cursor": cursor})

    async def create(
        self, reason: str, until: datetime, *, rule: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Silence:
        """Suppress notifications of one rule or of all, for alerts that have these labels."""
        body = {"rule": rule, "labels": dict(labels or {}), "until": until.isoformat(), "reason": reason}
        return await self.api.send(Silence, "POST", "/v1/silences", body)

    async def delete(self, silence_id: UUID) -> None:
        """End a silence now."""
        await self.api.request("DELETE", f"/v1/silences/{silence_id}")
