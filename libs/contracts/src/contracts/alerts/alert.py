"""What an alert is, and what a recording rule is: data, without a judge."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
FEWEST: Final = 20
"""A share of fewer events, attempts or requests than this in five minutes is not judged: one failure would be 5%."""


class Severity(StrEnum):
    """CRITICAL pages the person on call; WARNING goes to the team's channel."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that needs attention. Up to three evaluators use it: Prometheus, analytics-service and CloudWatch.

    Attributes:
        name: also the heading of its section in docs/operations.md.
        meaning: one sentence for the tables of alerts.
        summary: what a notification says. A format string with ``{value}`` and labels; ``{service}`` is the label
            ``job`` in Prometheus.
        threshold: the measure may not pass it. None: the alert is a condition, which holds or does not.
        for_seconds: how long that must last before the alert fires.
        below: the measure may not fall below the threshold, instead of rise above it.
        promql: the condition for Prometheus, with ``$threshold`` and the selectors of :mod:`.prometheus`. None:
            Prometheus cannot know.
        evaluated: analytics-service judges it, by the measure of the same name in its ``alert_rules``.
        clears_at: the evaluator ends a firing alert only once the measure is back at this value; None: the threshold.
        clear_seconds: the evaluator ends it only after it has been well for this long.
        cloudwatch: an alarm of deploy/aws has this threshold.
    """

    name: str
    severity: Severity
    meaning: str
    summary: str
    threshold: float | None = None
    for_seconds: int = 0
    below: bool = False
    promql: str | None = None
    evaluated: bool = False
    clears_at: float | None = None
    clear_seconds: int = MINUTE
    cloudwatch: bool = False

    @property
    def anchor(self) -> str:
        """Its heading in the runbook, as GitHub links to it."""
        return self.name.lower()

    @property
    def limit(self) -> float:
        """The threshold of an alert that has one. Raises ValueError for a condition."""
        if self.threshold is None:
            raise ValueError(f"{self.name} has no threshold")
        return self.threshold

    @property
    def minutes(self) -> int:
        """The duration in whole minutes, at least one: CloudWatch judges nothing shorter."""
        return max(1, self.for_seconds // MINUTE)

    @property
    def fields(self) -> Iterator[tuple[str, str, str]]:
        """The summary in parts: text, the name of the field after it (empty at the end), its format."""
        for text, name, spec, _ in Formatter().parse(self.summary):
            yield text, name or "", spec or ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes ahead, for alerts and dashboards: ``name``, and the PromQL that gives it."""

    name: str
    promql: str
