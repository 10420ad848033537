"""Requests and replies about alerts and silences."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from analytics_service.domain.alert_rules import NAMES
from analytics_service.domain.alerts import Alert, AlertState, Rule, Severity
from analytics_service.domain.silences import Silence
from chassis.api.wire import Instant, PlainText, RequestModel, WireModel


def _rule_name(value: str) -> str:
    if value not in NAMES:
        raise ValueError(f"there is no such rule; there are {', '.join(NAMES)}")
    return value


RuleName = Annotated[str, AfterValidator(_rule_name), Field(json_schema_extra={"enum": list(NAMES)})]
Words = Annotated[PlainText, StringConstraints(min_length=1, max_length=500)]
LabelValue = Annotated[PlainText, StringConstraints(min_length=1, max_length=200)]


class AlertBody(WireModel):
    """One time that a rule was broken."""

    id: UUID
    rule: str
    severity: Severity
    state: AlertState
    labels: dict[str, str] = Field(description="What it is about: a service, a queue, a priority, an endpoint.")
    summary: str
    value: float = Field(description="As measured last.")
    since: datetime = Field(description="When the rule was first broken.")
    fired_at: datetime | None = Field(description="When it had lasted for the rule's duration and fired.")
    well_since: datetime | None = Field(description="Since when it has been well, before that has lasted.")
    resolved_at: datetime | None
    notified_at: datetime | None = Field(description="When a notification that it fires was last sent.")
    flaps: int = Field(
        description="How often in a row it had fired before: the end of one that flaps is waited for longer."
    )
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(description="The name of the API key that acknowledged it.")
    note: str | None
    silenced: bool = Field(description="Whether a silence covers it now.")
    runbook: str = Field(description="The heading of the operations guide that says what to do.")

    @classmethod
    def of(cls, alert: Alert, silences: Sequence[Silence] = ()) -> Self:
        return cls(
            id=alert.id,
            rule=alert.rule,
            severity=alert.severity,
            state=alert.state,
            labels=dict(alert.labels),
            summary=alert.summary,
            value=alert.value,
            since=alert.since,
            fired_at=alert.fired_at,
            well_since=alert.well_since,
            resolved_at=alert.resolved_at,
            notified_at=alert.notified_at,
            flaps=alert.flaps,
            acknowledged_at=alert.acknowledged_at,
            acknowledged_by=alert.acknowledged_by,
            note=alert.note,
            silenced=any(silence.covers(alert) for silence in silences),
            runbook=f"docs/operations.md#{alert.rule.lower()}",
        )


class AlertChangeBody(WireModel):
    """Something that happened to an alert."""

    id: UUID
    alert_id: UUID
    at: datetime
    change: str = Field(description="`fired`, `acknowledged` or `resolved`.")
    rule: str
    severity: Severity
    labels: dict[str, str]
    value: float
    summary: str
    by: str | None = Field(description="Who acknowledged it.")
    note: str | None


class RuleBody(WireModel):
    """A rule as it is in force."""

    name: str
    severity: Severity
    what: str
    threshold: float
    below: bool = Field(description="Whether it is broken below the threshold rather than above.")
    clears_at: float = Field(description="The value at which an alert may end.")
    for_seconds: float = Field(description="How long it must be broken before an alert fires.")
    clear_seconds: float = Field(description="How long it must be well before an alert is over.")

    @classmethod
    def of(cls, rule: Rule) -> Self:
        return cls(
            name=rule.name,
            severity=rule.severity,
            what=rule.what,
            threshold=rule.threshold,
            below=rule.below,
            clears_at=rule.threshold if rule.clears_at is None else rule.clears_at,
            for_seconds=rule.for_seconds,
            clear_seconds=rule.clear_seconds,
        )


class RulesBody(WireModel):
    """All of them."""

    rules: list[RuleBody]


class Acknowledgement(RequestModel):
    """An acknowledgement."""

    note: Words | None = None


class AlertLabels(RequestModel):
    """What an alert may be about."""

    service: LabelValue | None = None
    queue: LabelValue | None = None
    priority: LabelValue | None = None
    endpoint_id: LabelValue | None = None
    reason: LabelValue | None = None

    def given(self) -> dict[str, str]:
        """Those that the client sent, by their names on the wire."""
        sent: dict[str, str] = self.model_dump(by_alias=True, exclude_none=True)
        return sent


class NewSilence(RequestModel):
    """Alerts to suppress notifications of. Without rule and labels: of all."""

    rule: RuleName | None = None
    labels: AlertLabels = Field(default=AlertLabels(), description="Alerts that have all of these.")
    until: Instant
    reason: Words


class SilenceBody(WireModel):
    """No notifications are sent for the alerts that it covers."""

    id: UUID
    rule: str | None
    labels: dict[str, str]
    until: datetime
    reason: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None = Field(description="When it was ended before its time.")
    ended_by: str | None
