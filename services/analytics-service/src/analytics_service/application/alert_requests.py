"""What people ask of alerts: to see them, to say that they know, to be left in peace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from analytics_service.adapters import alerts, notifications, silences
from analytics_service.adapters.alerts import AlertChange
from analytics_service.application.alert_notifications import notices
from analytics_service.domain.alert_notifications import Action, Policy
from analytics_service.domain.alert_rules import RULES
from analytics_service.domain.alerts import Alert, AlertState, Severity
from analytics_service.domain.errors import (
    AlertNotFiringError,
    AlertNotFoundError,
    SilenceNotFoundError,
    SilencePastError,
)
from analytics_service.domain.silences import Silence
from chassis.database.database import Database
from chassis.database.read_routing import Reads

Position = tuple[datetime, UUID] | None


async def list_alerts(
    reads: Reads, *, state: AlertState | None, severity: Severity | None, before: Position, limit: int
) -> tuple[Sequence[Alert], Sequence[Silence]]:
    """Alerts and the silences that are in force."""
    async with reads.open() as reader:
        found = await alerts.search(reader, state=state, severity=severity, before=before, limit=limit)
        return found, await silences.active(reader)


async def list_changes(
    reads: Reads, *, rule: str | None, alert_id: UUID | None, before: Position, limit: int
) -> Sequence[AlertChange]:
    """The changes of alerts, newest first."""
    async with reads.open() as reader:
        return await alerts.history(reader, rule=rule, alert_id=alert_id, before=before, limit=limit)


async def acknowledge(database: Database, policy: Policy, alert_id: UUID, *, by: str, note: str | None) -> Alert:
    """Acknowledge it: no reminders are sent. A second time changes who it was.

    Raises:
        AlertNotFoundError, AlertNotFiringError
    """
    async with database.transaction() as tx:
        now = await alerts.enter(tx)
        found = await alerts.find(tx, alert_id)
        if found is None:
            raise AlertNotFoundError(f"there is no alert {alert_id}")
        if found.state is not AlertState.FIRING:
            raise AlertNotFiringError(f"the alert is {found.state}: only one that fires can be acknowledged")
        known = replace(found, acknowledged_at=now, acknowledged_by=by, note=note)
        await alerts.save(tx, [known])
        await alerts.note(tx, "acknowledged", [known], now, by=by, words=note)
        if known.notified_at is not None:
            runbooks = {rule.name: rule.runbook for rule in RULES}
            await notifications.add(tx, notices(Action.ACKNOWLEDGE, [known], policy, runbooks, now, by=by))
    return known


async def silence(
    database: Database, *, rule: str | None, labels: Mapping[str, str], until: datetime, reason: str, by: str
) -> Silence:
    """Raises SilencePastError where ``until`` is not in the future."""
    async with database.transaction() as tx:
        now = await alerts.enter(tx)
        if until <= now:
            raise SilencePastError(f"must be later than now ({now.isoformat(timespec='seconds')})")
        return await silences.add(tx, rule, labels, until, reason, by)


async def list_silences(reads: Reads, *, active: bool, before: Position, limit: int) -> Sequence[Silence]:
    """Newest first."""
    async with reads.open() as reader:
        return await silences.search(reader, active=active, before=before, limit=limit)


async def end_silence(database: Database, silence_id: UUID, *, by: str) -> None:
    """End it now; where it has ended, nothing changes. Raises SilenceNotFoundError."""
    async with database.transaction() as tx:
        if await silences.end(tx, silence_id, by) or await silences.find(tx, silence_id):
            return
    raise SilenceNotFoundError(f"there is no silence {silence_id}")
