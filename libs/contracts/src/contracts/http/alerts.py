"""Alerts, their rules and silences (analytics-service)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from contracts.http.model import HttpModel


class Alert(HttpModel):
    """One breach of a rule."""

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
        """Whether it fires now: neither pending nor resolved."""
        return self.state == "firing"


class AlertChange(HttpModel):
    """An alert that fired, was acknowledged or resolved."""

    id: UUID
    alert_id: UUID
    at: datetime
    change: str
    rule: str
    severity: str
    summary: str
    by: str | None
    note: str | None


class AlertRule(HttpModel):
    """A rule in force: its threshold, and the seconds for which it must be breached."""

    name: str
    severity: str
    what: str
    threshold: float
    below: bool
    for_seconds: float


class AlertRules(HttpModel):
    """All rules in force."""

    rules: tuple[AlertRule, ...]


class Silence(HttpModel):
    """Suppresses notifications of the alerts that it covers."""

    id: UUID
    rule: str | None
    labels: Mapping[str, str]
    until: datetime
    reason: str
    created_by: str
    created_at: datetime
