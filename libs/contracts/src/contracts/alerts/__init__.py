"""The catalogue of alerts: the measure, threshold, duration and severity of each, for all evaluators."""

from contracts.alerts.alert import FEWEST, Alert, Recording, Severity
from contracts.alerts.catalogue import ALERTS, GROUPS, RECORDINGS, find_alert
from contracts.alerts.objectives import LATENESS_SECONDS, OBJECTIVES
from contracts.alerts.prometheus import RUNBOOK, Release, rule_files
from contracts.alerts.runbook import alert_table, with_table

__all__ = [
    "ALERTS",
    "FEWEST",
    "GROUPS",
    "LATENESS_SECONDS",
    "OBJECTIVES",
    "RECORDINGS",
    "RUNBOOK",
    "Alert",
    "Recording",
    "Release",
    "Severity",
    "alert_table",
    "find_alert",
    "rule_files",
    "with_table",
]
