"""Silences: no notifications are sent for the alerts that one covers, until it ends. They are still evaluated and
stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics_service.domain.alerts import Alert


@dataclass(frozen=True, slots=True)
class Silence:
    """It covers alerts of a rule (None: of every rule) that have all its labels (none: whatever they have)."""

    id: UUID
    rule: str | None
    labels: Mapping[str, str]
    until: datetime
    reason: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def covers(self, alert: Alert) -> bool:
        return self.rule in (None, alert.rule) and self.labels.items() <= alert.labels.items()
