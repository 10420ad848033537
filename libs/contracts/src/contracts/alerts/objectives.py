"""Service level objectives, and alerts about how fast their error budgets burn.

After the SRE workbook: a rate is measured over a long window, so that it matters, and over a short one, so that the
alert ends soon after its cause. 14.4 times the budget's rate spends the budget of 30 days in two days, 6 times in five.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.alerts.alert import MINUTE, Alert, Recording, Severity
from contracts.alerts.api import BULK_ROUTES, FAILED, OBJECTIVE_SECONDS, failed_share
from contracts.vocabulary import Priority

LATENESS_SECONDS: Final = {Priority.CRITICAL: 5.0, Priority.HIGH: 10.0, Priority.NORMAL: 30.0, Priority.LOW: 300.0}
"""Seconds from target to delivery that 95% of a priority's events should stay below (the bounds of buckets)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a budget may burn: the two windows, how many times too fast, for how long, and when it is gone."""

    name: str
    long: str
    short: str
    factor: float
    for_seconds: int
    days: str


FAST: Final = Rate("Fast", "1h", "5m", 14.4, 2 * MINUTE, "two days")
SLOWLY: Final = Rate("Slowly", "6h", "30m", 6, 15 * MINUTE, "five days")
WINDOWS: Final = (FAST.short, SLOWLY.short, FAST.long, SLOWLY.long)


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of something that may break, and how to measure it.

    Attributes:
        name: what its two alerts are called after: ``<name>BudgetBurnsFast`` and ``…Slowly``.
        budget: the share that may break, within 30 days.
        broken: what breaks it, in words.
        ratios: the recorded share by series name, as PromQL with ``$window``. An alert fires when one burns too fast.
        fast: the severity of the fast burn; the slow one is a warning.
        provided: PromQL of a further condition, with ``$window`` for the long window, to be joined by ``and``.
    """

    name: str
    budget: float
    broken: str
    ratios: dict[str, str]
    fast: Severity = Severity.CRITICAL
    provided: str = ""

    def recordings(self, window: str) -> Iterator[Recording]:
        for name, promql in self.ratios.items():
            yield Recording(f"almanac:{name}:ratio_rate{window}", promql.replace("$window", window))

    def alerts(self) -> Iterator[Alert]:
        for rate in (FAST, SLOWLY):
            yield Alert(
                name=f"{self.name}BudgetBurns{rate.name}",
                severity=self.fast if rate is FAST else Severity.WARNING,
                meaning=f"{self.broken}, at {rate.factor:g} times the rate that the objective allows.",
                summary=f"{self.broken}: at this rate the budget of the month is spent in {rate.days}",
                threshold=round(rate.factor * self.budget, 6),
                for_seconds=rate.for_seconds,
                promql="\nor\n".join(self._burning(name, rate) for name in self.ratios),
            )

    def _burning(self, name: str, rate: Rate) -> str:
        conditions = [f"almanac:{name}:ratio_rate{window}{{$own}} > $threshold" for window in (rate.long, rate.short)]
        if self.provided:
            conditions.append(self.provided.replace("$window", rate.long))
        joined = "\nand ".join(conditions)
        return joined if len(self.ratios) == 1 else "(" + joined.replace("\n", " ") + ")"


def _beyond(histogram: str, seconds: float, matchers: str = "") -> str:
    """The share of a histogram's observations that took longer."""
    own = f"$own, {matchers}" if matchers else "$own"
    return (
        f'1 - sum(rate({histogram}_bucket{{{own}, le="{seconds}"}}[$window]))\n'
        f"  / sum(rate({histogram}_count{{{own}}}[$window]))"
    )


def _late() -> str:
    bucket = "sum by (priority) (rate(almanac_delivery_lateness_seconds_bucket{$own, "
    timely = "\n  or\n".join(
        f'  {bucket}priority="{priority.name}", le="{seconds}"}}[$window]))'
        for priority, seconds in LATENESS_SECONDS.items()
    )
    every = "sum by (priority) (rate(almanac_delivery_lateness_seconds_count{$own}[$window]))"
    return f"1 - (\n{timely}\n) / {every}"


_API_TIMES = "http_server_request_duration_seconds"
_API_MATCHERS = f'$own, component=~".+-api", http_route!~"{BULK_ROUTES}"'

OBJECTIVES: Final = (
    Objective(
        "Failure",
        0.01,
        "Events fail (objective: under 1%)",
        {
            "events_failed": '(sum(rate(almanac_delivery_outcomes_total{$own, outcome!="succeeded"}[$window]))'
            " or vector(0))\n  / sum(rate(almanac_delivery_outcomes_total{$own}[$window]))"
        },
    ),
    Objective(
        "Lateness",
        0.05,
        "Events are later than the objective of their priority (p95)",
        {
            "late": _late(),
            "late_overall": _beyond("almanac_delivery_lateness_seconds", LATENESS_SECONDS[Priority.NORMAL]),
        },
    ),
    Objective(
        "Availability",
        0.001,
        "Requests to an API fail (objective: 99.9% do not)",
        {"api_failed": failed_share("job", "$window")},
        # One failed request of a quiet hour is no page.
        provided=f"on (job) sum by (job) (increase({FAILED}[$window])) >= 10",
    ),
    Objective(
        "ApiLatency",
        0.05,
        f"Requests to an API take longer than {OBJECTIVE_SECONDS} s (objective: p95)",
        {
            "api_slow": f"1 - sum by (job) (rate({_API_TIMES}_bucket{{{_API_MATCHERS}, "
            f'le="{OBJECTIVE_SECONDS}"}}[$window]))\n'
            f"  / sum by (job) (rate({_API_TIMES}_count{{{_API_MATCHERS}}}[$window]))"
        },
        fast=Severity.WARNING,
        provided=f"on (job) sum by (job) (increase({_API_TIMES}_count{{{_API_MATCHERS}}}[$window])) >= 100",
    ),
    Objective(
        "Queue",
        0.05,
        "Messages wait longer than 5 s in a delivery queue (objective: p95)",
        {"queue_slow": _beyond("almanac_queue_latency_seconds", 5.0)},
    ),
    Objective(
        "WebhookTime",
        0.05,
        "Webhook attempts take longer than 10 s (objective: p95)",
        {"webhook_slow": _beyond("almanac_webhook_duration_seconds", 10.0)},
        fast=Severity.WARNING,
    ),
    Objective(
        "Webhook",
        0.05,
        "Webhook attempts do not succeed (objective: over 95% do)",
        {
            "webhook_failed": '1 - sum(rate(almanac_delivery_attempts_total{$own, class="2xx"}[$window]))\n'
            "  / sum(rate(almanac_delivery_attempts_total{$own}[$window]))"
        },
        fast=Severity.WARNING,
    ),
)
