"""Alerts: when one starts, when it notifies, and when it resolves.

A rule that is broken makes an alert PENDING, FIRING once it has been for as long as the rule waits, and RESOLVED once
its value has been back past the clearing threshold for long enough. One that fires again soon after is flapping: each
time its value must stay normal for twice as long before it resolves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from analytics_service.domain.observations import Observations
from contracts.alerts import Severity as Severity  # one of this module's own words

FLAP_SECONDS = 1800.0
"""An alert that fires within this time of its last end is flapping."""
MOST_FLAPS = 4
"""The time to be well is doubled so often at most."""


class AlertState(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule measures, of what its labels say.

    ``value`` None: not known, which holds whatever alert has these labels (among others) as it is. ``about`` are
    words for the summary that do not tell one alert from another.
    """

    value: float | None
    labels: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that needs attention. It is broken while a reading is above the threshold (``below``: below it).

    Args:
        summary: a template with ``{value}``, labels and words about the reading.
        clears_at: the value that a firing alert must be back at; None for the threshold itself.
        for_seconds: how long it must be broken before the alert fires.
        clear_seconds: how long it must be well before the alert is over.
    """

    name: str
    severity: Severity
    what: str
    summary: str
    threshold: float
    measure: Callable[[Observations], Iterable[Reading]]
    clears_at: float | None = None
    for_seconds: float = 0.0
    clear_seconds: float = 60.0
    below: bool = False

    @property
    def runbook(self) -> str:
        """The heading of docs/operations.md that says what to do, as an anchor."""
        return self.name.lower()

    def broken(self, value: float) -> bool:
        return value < self.threshold if self.below else value > self.threshold

    def well(self, value: float) -> bool:
        """Whether a firing alert may end. Between threshold and clearing threshold it keeps its state."""
        bound = self.threshold if self.clears_at is None else self.clears_at
        return value >= bound if self.below else value <= bound

    def say(self, reading: Reading) -> str:
        value = 0.0 if reading.value is None else reading.value
        return self.summary.format_map({"value": value, **reading.labels, **reading.about})


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """The identity of an alert, also for receivers of notifications."""
    spelled = "\n".join(f"{name}={labels[name]}" for name in sorted(labels))
    return f"{rule}-{sha256(spelled.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One time that a rule was broken. ``value`` and ``summary`` are of the last reading that broke it.

    ``well_since``: since when a firing one has been well. ``notified_at``: when a notification was last sent, None for
    never. ``flaps``: how often in a row it had fired before, not long ago.
    """

    id: UUID
    rule: str
    severity: Severity
    labels: Mapping[str, str]
    state: AlertState
    value: float
    summary: str
    since: datetime
    flaps: int = 0
    fired_at: datetime | None = None
    well_since: datetime | None = None
    resolved_at: datetime | None = None
    notified_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.rule, self.labels)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last end of an alert, by which flapping is known."""

    resolved_at: datetime
    flaps: int


@dataclass(slots=True)
class Changes:
    """What one evaluation changes. ``kept`` are live alerts as they are now, ``dropped`` were pending for nothing."""

    opened: list[Alert] = field(default_factory=list)
    kept: list[Alert] = field(default_factory=list)
    fired: list[Alert] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    dropped: list[Alert] = field(default_factory=list)


def evaluate(
    rules: Sequence[Rule],
    observations: Observations,
    live: Sequence[Alert],
    ended: Mapping[str, Ended],
    now: datetime,
    new_id: Callable[[], UUID],
) -> Changes:
    """Judge everything that was observed.

    Args:
        live: alerts that are pending or firing. Those of a rule that is no more are resolved.
        ended: the last ends of others, by fingerprint.
    """
    changes = Changes()
    by_rule: dict[str, list[Alert]] = {}
    for alert in live:
        by_rule.setdefault(alert.rule, []).append(alert)
    for rule in rules:
        _judge(rule, rule.measure(observations), by_rule.pop(rule.name, []), ended, now, new_id, changes)
    for orphans in by_rule.values():
        for alert in orphans:
            _end(alert, now, changes)
    return changes


def _judge(
    rule: Rule,
    readings: Iterable[Reading],
    live: Sequence[Alert],
    ended: Mapping[str, Ended],
    now: datetime,
    new_id: Callable[[], UUID],
    changes: Changes,
) -> None:
    known: dict[str, Reading] = {}
    unknown: list[Mapping[str, str]] = []
    for reading in readings:
        if reading.value is None:
            unknown.append(reading.labels)
        else:
            known[fingerprint(rule.name, reading.labels)] = reading
    for alert in live:
        found = known.pop(alert.fingerprint, None)
        if found is None and any(labels.items() <= alert.labels.items() for labels in unknown):
            changes.kept.append(alert)
        else:
            _advance(rule, alert, found, now, changes)
    for print_, reading in known.items():
        if reading.value is not None and rule.broken(reading.value):
            begun = Alert(
                id=new_id(),
                rule=rule.name,
                severity=rule.severity,
                labels=reading.labels,
                state=AlertState.PENDING,
                value=reading.value,
                summary=rule.say(reading),
                since=now,
                flaps=_flaps(ended.get(print_), now),
            )
            changes.opened.append(begun)
            _advance(rule, begun, reading, now, changes)


def _flaps(last: Ended | None, now: datetime) -> int:
    if last is None or now - last.resolved_at > timedelta(seconds=FLAP_SECONDS):
        return 0
    return last.flaps + 1


def _advance(rule: Rule, alert: Alert, reading: Reading | None, now: datetime, changes: Changes) -> None:
    # What is no longer measured at all is well: the endpoint is gone, the traffic too little to tell.
    value = None if reading is None else reading.value
    if reading is not None and value is not None and rule.broken(value):
        alert = replace(alert, value=value, summary=rule.say(reading), well_since=None)
        waited = (now - alert.since).total_seconds()
        if alert.state is AlertState.PENDING and waited >= rule.for_seconds:
            alert = replace(alert, state=AlertState.FIRING, fired_at=now)
            changes.fired.append(alert)
        changes.kept.append(alert)
    elif alert.state is AlertState.PENDING:
        changes.dropped.append(alert)
    elif value is not None and not rule.well(value):
        changes.kept.append(replace(alert, value=value, well_since=None))
    elif alert.well_since is None:
        changes.kept.append(replace(alert, well_since=now))
    elif (now - alert.well_since).total_seconds() >= rule.clear_seconds * 2 ** min(alert.flaps, MOST_FLAPS):
        _end(alert, now, changes)
    else:
        changes.kept.append(alert)


def _end(alert: Alert, now: datetime, changes: Changes) -> None:
    if alert.state is AlertState.PENDING:
        changes.dropped.append(alert)
    else:
        changes.resolved.append(replace(alert, state=AlertState.RESOLVED, resolved_at=now))
