"""The notifications of alerts, and their channels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from analytics_service.domain.alert_notifications import Action, AlertNotification, Policy
from analytics_service.domain.alerts import Alert


def notices(
    action: Action,
    about: Sequence[Alert],
    policy: Policy,
    runbooks: Mapping[str, str],
    now: datetime,
    *,
    by: str | None = None,
) -> list[AlertNotification]:
    """One for each alert and channel that its severity is routed to."""
    return [
        AlertNotification(
            id=new_id(),
            channel=channel,
            dedup_key=alert.fingerprint,
            action=action,
            rule=alert.rule,
            severity=alert.severity,
            summary=alert.summary,
            labels=alert.labels,
            value=alert.value,
            at=now,
            fired_at=alert.fired_at or alert.since,
            runbook=f"{policy.runbooks}#{runbooks.get(alert.rule, alert.rule.lower())}",
            by=by,
        )
        for alert in about
        for channel in policy.routes.get(alert.severity, ())
    ]


def new_id() -> UUID:
    """In the order of creation, which is the order of sending."""
    return uuid7()
