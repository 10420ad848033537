"""Tables ``alerts`` and ``alert_changes``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row, text
from uuid_utils.compat import uuid7

from analytics_service.domain.alerts import FLAP_SECONDS, Alert, AlertState, Ended, Severity
from chassis.database.database import Reader, Transaction

_COLUMNS = (
    "id, rule, severity, labels, state, value, summary, since, flaps, fired_at, well_since, resolved_at, notified_at,"
    " acknowledged_at, acknowledged_by, note"
)
# One evaluation at a time, even if two processes believe that they hold the lease.
_ENTER = text("SELECT pg_advisory_xact_lock(hashtext('alerts')), clock_timestamp() AS now")
_LIVE = text(f"SELECT {_COLUMNS} FROM alerts WHERE state <> 'resolved' ORDER BY id FOR UPDATE")
_ENDED = text(
    "SELECT DISTINCT ON (fingerprint) fingerprint, resolved_at, flaps FROM alerts WHERE state = 'resolved'"
    " AND resolved_at > clock_timestamp() - make_interval(secs => :seconds) ORDER BY fingerprint, resolved_at DESC"
)
_SAVE = text(
    f"INSERT INTO alerts (fingerprint, {_COLUMNS}) VALUES (:fingerprint, :id, :rule, :severity,"
    " CAST(CAST(:labels AS text) AS jsonb), :state, :value, :summary, :since, :flaps, :fired_at, :well_since,"
    " :resolved_at, :notified_at, :acknowledged_at, :acknowledged_by, :note)"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, value = excluded.value, summary = excluded.summary,"
    " fired_at = excluded.fired_at, well_since = excluded.well_since, resolved_at = excluded.resolved_at,"
    " notified_at = excluded.notified_at, acknowledged_at = excluded.acknowledged_at,"
    " acknowledged_by = excluded.acknowledged_by, note = excluded.note"
)
_DROP = text("DELETE FROM alerts WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending'")
_NOTE = text(
    "INSERT INTO alert_changes (id, alert_id, at, change, rule, severity, labels, value, summary, by, note) VALUES"
    " (:id, :alert_id, :at, :change, :rule, :severity, CAST(CAST(:labels AS text) AS jsonb), :value, :summary, :by,"
    " :note)"
)
_FIND = text(f"SELECT {_COLUMNS} FROM alerts WHERE id = :id FOR UPDATE")
_LIST = text(
    f"SELECT {_COLUMNS} FROM alerts WHERE (CAST(:state AS text) IS NULL AND state <> 'resolved' OR state = :state)"
    " AND (CAST(:severity AS text) IS NULL OR severity = :severity)"
    " AND (CAST(:before_at AS timestamptz) IS NULL OR (since, id) < (:before_at, CAST(:before_id AS uuid)))"
    " ORDER BY since DESC, id DESC LIMIT :limit"
)
_HISTORY = text(
    "SELECT id, alert_id, at, change, rule, severity, labels, value, summary, by, note FROM alert_changes"
    " WHERE (CAST(:rule AS text) IS NULL OR rule = :rule)"
    " AND (CAST(:alert_id AS uuid) IS NULL OR alert_id = :alert_id)"
    " AND (CAST(:before_at AS timestamptz) IS NULL OR (at, id) < (:before_at, CAST(:before_id AS uuid)))"
    " ORDER BY at DESC, id DESC LIMIT :limit"
)
_KEPT_RESOLVED_DAYS = 7
SWEEPS = (
    text(
        "DELETE FROM alerts WHERE state = 'resolved'"
        f" AND resolved_at < clock_timestamp() - make_interval(days => least({_KEPT_RESOLVED_DAYS}, :days))"
    ),
    text("DELETE FROM alert_changes WHERE at < clock_timestamp() - make_interval(days => :days)"),
    text("DELETE FROM silences WHERE until < clock_timestamp() - make_interval(days => :days)"),
    text("DELETE FROM notifications WHERE created_at < clock_timestamp() - make_interval(days => :days)"),
)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """Something that happened to an alert: it fired, was acknowledged, or resolved."""

    id: UUID
    alert_id: UUID
    at: datetime
    change: str
    rule: str
    severity: str
    labels: Mapping[str, str]
    value: float
    summary: str
    by: str | None
    note: str | None


async def enter(tx: Transaction) -> datetime:
    """Wait until no other transaction changes alerts. Returns the database's (real) time."""
    now: datetime = (await tx.execute(_ENTER)).one().now
    return now


async def live(tx: Transaction) -> list[Alert]:
    """Those that are pending or firing."""
    return [_alert(row) for row in await tx.execute(_LIVE)]


async def ended(tx: Transaction) -> dict[str, Ended]:
    """The last ends that are recent enough to count as flapping, by fingerprint."""
    rows = await tx.execute(_ENDED, {"seconds": FLAP_SECONDS})
    return {row.fingerprint: Ended(row.resolved_at, row.flaps) for row in rows}


async def save(tx: Transaction, alerts: Sequence[Alert]) -> None:
    if alerts:
        await tx.execute(
            _SAVE,
            [
                {
                    "fingerprint": alert.fingerprint,
                    **{name: getattr(alert, name) for name in _COLUMNS.split(", ")},
                    "labels": to_json(dict(alert.labels)).decode(),
                }
                for alert in alerts
            ],
        )


async def drop(tx: Transaction, alerts: Sequence[Alert]) -> None:
    """Delete those that were pending and never fired."""
    if alerts:
        await tx.execute(_DROP, {"ids": [alert.id for alert in alerts]})


async def note(
    tx: Transaction,
    change: str,
    alerts: Sequence[Alert],
    at: datetime,
    *,
    by: str | None = None,
    words: str | None = None,
) -> None:
    """Keep in the history that this happened to these."""
    if alerts:
        await tx.execute(
            _NOTE,
            [
                {
                    "id": uuid7(),
                    "alert_id": alert.id,
                    "at": at,
                    "change": change,
                    "rule": alert.rule,
                    "severity": alert.severity,
                    "labels": to_json(dict(alert.labels)).decode(),
                    "value": alert.value,
                    "summary": alert.summary,
                    "by": by,
                    "note": words,
                }
                for alert in alerts
            ],
        )


async def find(tx: Transaction, alert_id: UUID) -> Alert | None:
    """One, kept from other writers until the transaction ends."""
    row = (await tx.execute(_FIND, {"id": alert_id})).one_or_none()
    return _alert(row) if row else None


async def search(
    reader: Reader, *, state: str | None, severity: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    """Of a state, or all that are not resolved; those that began last come first."""
    rows = await reader.execute(_LIST, {"state": state, "severity": severity, **_before(before), "limit": limit})
    return [_alert(row) for row in rows]


async def history(
    reader: Reader, *, rule: str | None, alert_id: UUID | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[AlertChange]:
    """Newest first."""
    rows = await reader.execute(_HISTORY, {"rule": rule, "alert_id": alert_id, **_before(before), "limit": limit})
    return [AlertChange(*row) for row in rows]


def _before(position: tuple[datetime, UUID] | None) -> dict[str, object]:
    return {"before_at": position and position[0], "before_id": position and position[1]}


def _alert(row: Row[Any]) -> Alert:
    return Alert(**{**row._asdict(), "severity": Severity(row.severity), "state": AlertState(row.state)})
