"""Every alert of Almanac, and every series that Prometheus records, in the order in which people read them.

Prometheus' rules, the evaluator of analytics-service, the alarms of deploy/aws and the table of docs/operations.md are
made from here (ADR 40). To add an alert: an entry in the module of its noun, a section of the runbook, ``make rules``.
"""

from collections.abc import Mapping
from typing import Final

from contracts.alerts import api, delivery, queues
from contracts.alerts.alert import Alert, Recording
from contracts.alerts.database import DATABASE
from contracts.alerts.events import EVENTS
from contracts.alerts.objectives import OBJECTIVES, WINDOWS
from contracts.alerts.processes import AWS, PROCESSES

GROUPS: Final[Mapping[str, tuple[Alert, ...]]] = {
    "processes": PROCESSES,
    "database": DATABASE,
    "api": api.API,
    "queues": queues.QUEUES,
    "events": EVENTS,
    "delivery": delivery.DELIVERY,
    "objectives": tuple(alert for objective in OBJECTIVES for alert in objective.alerts()),
    "aws": AWS,
}
RECORDINGS: Final[Mapping[str, tuple[Recording, ...]]] = {
    "recording": (*queues.RECORDINGS, *delivery.RECORDINGS, *api.RECORDINGS),
    "objectives": tuple(
        recording for window in WINDOWS for objective in OBJECTIVES for recording in objective.recordings(window)
    ),
}
ALERTS: Final[Mapping[str, Alert]] = {alert.name: alert for group in GROUPS.values() for alert in group}


def find_alert(name: str) -> Alert:
    """The alert of that name. Raises KeyError."""
    return ALERTS[name]
