"""Notifications of alerts: their text, their recipients, and their retries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from analytics_service.domain.alerts import Alert, AlertState, Severity
from analytics_service.domain.silences import Silence

RETRY_SECONDS = 5.0
RETRY_CAP_SECONDS = 300.0
GIVE_UP_SECONDS = 86_400.0
"""After a day, a notification is obsolete."""
RUNBOOKS = "https://github.com/almanac/almanac/blob/main/docs/operations.md"
"""The page that says what each alert means and what to do, with a heading for each."""


class Action(StrEnum):
    """What a notice does at the other end, by the words of PagerDuty."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class AlertNotification:
    """One message to one channel. ``id`` is the same at every attempt, ``dedup_key`` for all of one alert."""

    id: UUID
    channel: str
    dedup_key: str
    action: Action
    rule: str
    severity: Severity
    summary: str
    labels: Mapping[str, str]
    value: float
    at: datetime
    fired_at: datetime
    runbook: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The routes of notifications. ``repeat_seconds``: the interval of reminders for an alert that still fires and was
    not acknowledged.

    ``runbooks``: the address of the page whose headings say what to do.
    """

    routes: Mapping[Severity, Sequence[str]]
    repeat_seconds: Mapping[Severity, float]
    runbooks: str = RUNBOOKS

    def is_due(self, alert: Alert, silences: Sequence[Silence], now: datetime) -> bool:
        """Whether a notification that it fires is due (again)."""
        if alert.state is not AlertState.FIRING or any(each.covers(alert) for each in silences):
            return False
        if alert.notified_at is None:
            return True
        again = timedelta(seconds=self.repeat_seconds[alert.severity])
        return alert.acknowledged_at is None and now - alert.notified_at >= again


class NotSentError(Exception):
    """It was not taken. ``hopeless``: the request is invalid, so that a retry would fail as well."""

    def __init__(self, detail: str, *, hopeless: bool = False) -> None:
        super().__init__(detail)
        self.hopeless = hopeless


def retry_delay(attempts: int) -> float:
    """Seconds until the next attempt, after this number of failures."""
    return float(min(RETRY_CAP_SECONDS, RETRY_SECONDS * 2 ** min(attempts - 1, 10)))
