"""analytics-service's alerts, their history, and silences."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics_service.console.clients.http import Answer, Api

_ALERTS, _SILENCES = "/v1/alerts", "/v1/silences"
MOST = 100
"""The maximum of each that is shown."""


class Alert(Answer):
    """One time that a rule was broken."""

    id: UUID
    rule: str
    severity: str
    state: str
    labels: Mapping[str, str]
    summary: str
    value: float
    since: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    notified_at: datetime | None
    flaps: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    silenced: bool
    runbook: str

    @property
    def fires(self) -> bool:
        return self.state == "firing"


class Alerts(Answer):
    """What began last comes first."""

    items: tuple[Alert, ...]


class Change(Answer):
    """Something that happened to an alert."""

    id: UUID
    alert_id: UUID
    at: datetime
    change: str
    rule: str
    severity: str
    summary: str
    by: str | None
    note: str | None


class Changes(Answer):
    """The newest first."""

    items: tuple[Change, ...]


class Silence(Answer):
    """No notifications are sent for the alerts that it covers."""

    id: UUID
    rule: str | None
    labels: Mapping[str, str]
    until: datetime
    reason: str
    created_by: str
    created_at: datetime


class Silences(Answer):
    """Those that are in force, the newest first."""

    items: tuple[Silence, ...]


class Rule(Answer):
    """A rule: its measure, and when it notifies."""

    name: str
    severity: str
    what: str
    threshold: float
    below: bool
    for_seconds: float


class Rules(Answer):
    """All of them."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class AlertsClient:
    """Asks analytics-service. Everything raises ServiceError."""

    api: Api

    async def current(self) -> Alerts:
        """Those that fire, and those that are about to."""
        return await self.api.get(_ALERTS, Alerts, limit=MOST)

    async def history(self) -> Changes:
        return await self.api.get(f"{_ALERTS}/history", Changes, limit=MOST)

    async def silences(self) -> Silences:
        return await self.api.get(_SILENCES, Silences, active="true", limit=MOST)

    async def rules(self) -> Rules:
        return await self.api.get(f"{_ALERTS}/rules", Rules)

    async def acknowledge(self, alert_id: UUID, note: str | None) -> Alert:
        """Acknowledge it."""
        answer = await self.api.send("POST", f"{_ALERTS}/{alert_id}/acknowledge", {"note": note})
        return Alert.model_validate(answer)

    async def silence(self, rule: str, labels: Mapping[str, str], until: datetime, reason: str) -> Silence:
        """Suppress notifications of the rule for these labels."""
        body = {"rule": rule, "labels": dict(labels), "until": until.isoformat(), "reason": reason}
        return Silence.model_validate(await self.api.send("POST", _SILENCES, body))

    async def end_silence(self, silence_id: UUID) -> bool:
        """End it before its time."""
        await self.api.send("DELETE", f"{_SILENCES}/{silence_id}")
        return True
