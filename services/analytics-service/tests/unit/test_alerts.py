"""How an alert begins and ends, and that each rule does both."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from alert_scenarios import BROKEN, TELLTALE, WELL

from analytics_service.domain.alert_rules import NAMES, RULES, RuleChange, rules_with
from analytics_service.domain.alerts import (
    FLAP_SECONDS,
    Alert,
    AlertState,
    Changes,
    Ended,
    Reading,
    Rule,
    Severity,
    evaluate,
)
from analytics_service.domain.observations import Absence, Observations
from analytics_service.domain.silences import Silence

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUNBOOK = Path(__file__).parents[4] / "docs" / "operations.md"
RULE = {rule.name: rule for rule in RULES}


class Watch:
    """Judges again and again, at the seconds that it is given, and remembers the live alerts."""

    def __init__(self, *rules: Rule, ended: Mapping[str, Ended] | None = None) -> None:
        self.rules = rules
        self.live: list[Alert] = []
        self.ended = dict(ended or {})

    def see(self, seconds: float, observations: Observations) -> Changes:
        now = START + timedelta(seconds=seconds)
        changes = evaluate(self.rules, observations, self.live, self.ended, now, uuid4)
        self.live = changes.kept
        for each in changes.resolved:
            assert each.resolved_at == now
            self.ended[each.fingerprint] = Ended(now, each.flaps)
        return changes


def test_every_rule_has_its_scenario() -> None:
    assert BROKEN.keys() == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_fires_when_its_rule_is_broken_and_clears_when_all_is_well(name: str) -> None:
    rule, watch = RULE[name], Watch(RULE[name])
    assert not watch.see(-1, WELL).opened, "nothing is wrong yet"
    begun = watch.see(0, BROKEN[name])
    if rule.for_seconds:
        assert [each.state for each in watch.live] == [AlertState.PENDING]
        assert not begun.fired
        assert not watch.see(rule.for_seconds - 0.1, BROKEN[name]).fired
        begun = watch.see(rule.for_seconds, BROKEN[name])
    (alert,) = begun.fired
    assert (alert.rule, alert.severity, alert.state) == (name, rule.severity, AlertState.FIRING)
    assert "{" not in alert.summary
    assert TELLTALE.get(name, bool)(alert.summary), alert.summary
    well = rule.for_seconds + 10
    assert not watch.see(well, WELL).resolved
    assert not watch.see(well + rule.clear_seconds - 0.1, WELL).resolved
    (over,) = watch.see(well + rule.clear_seconds, WELL).resolved
    assert (over.id, over.state) == (alert.id, AlertState.RESOLVED)
    assert not watch.live


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_is_broken_by_what_another_is_about(name: str) -> None:
    """But for those that are two steps of one thing, one severe and one not."""
    alike = {
        "CriticalQueueDepthCritical": {"CriticalQueueBacklog", "CriticalQueueNotEmpty"},
        "CriticalQueueBacklog": {"CriticalQueueNotEmpty"},
        "QueueDepthCritical": {"QueueBacklog"},
        "ConsumerStalled": {"QueueMessagesOld"},
        "PublishingFails": {"OutboxSlow"},
        "CriticalLatenessHigh": {"LatenessHigh"},
        "FailureRateHigh": {"FailureRateElevated"},
    }
    opened = {each.rule for each in Watch(*RULES).see(0, BROKEN[name]).opened}
    assert opened == {name, *alike.get(name, ())}


def test_each_rule_says_in_the_operations_guide_what_to_do() -> None:
    headings = {line.strip("# \n").lower() for line in RUNBOOK.read_text().splitlines() if line.startswith("## ")}
    assert {rule.runbook for rule in RULES} <= headings


def test_breach_shorter_than_its_duration_is_dropped() -> None:
    watch = Watch(RULE["DatabaseConnectionsHigh"])
    watch.see(0, BROKEN["DatabaseConnectionsHigh"])
    (dropped,) = watch.see(100, WELL).dropped
    assert dropped.state is AlertState.PENDING
    watch.see(200, BROKEN["DatabaseConnectionsHigh"])
    assert not watch.see(400, BROKEN["DatabaseConnectionsHigh"]).fired, "the time begins anew"
    assert watch.see(500, BROKEN["DatabaseConnectionsHigh"]).fired


def _measuring(rule: Rule, value: float | None) -> Rule:
    readings = [Reading(value, {"queue": "q"})]
    return replace(rule, measure=lambda _: readings)


def _levels(rule: Rule, *values: float | None, watch: Watch | None = None) -> tuple[Watch, list[Changes]]:
    """What one measured value a second does."""
    watch = watch or Watch()
    seen = []
    for second, value in enumerate(values):
        watch.rules = (_measuring(rule, value),)
        seen.append(watch.see(second, WELL))
    return watch, seen


LEVEL = Rule(
    "Level", Severity.WARNING, "A level.", "{value:.0f} in {queue}", 10, lambda _: (), clears_at=5, clear_seconds=2
)  # fmt: skip


def test_alert_between_its_two_thresholds_keeps_its_state() -> None:
    watch, changes = _levels(LEVEL, 11, 8, 8, 8, 4, 4, 8, 4, 4, 4)
    assert [bool(each.fired) for each in changes] == [True, *[False] * 9]
    assert [bool(each.resolved) for each in changes] == [*[False] * 9, True], "8 made the time to be well begin anew"
    assert not watch.live


def test_an_alert_says_what_was_measured_while_it_was_broken() -> None:
    watch, _ = _levels(LEVEL, 11, 40, 8)
    (alert,) = watch.live
    assert (alert.summary, alert.value) == ("40 in q", 8)


def test_unknown_measurement_changes_no_alert() -> None:
    watch, changes = _levels(replace(LEVEL, for_seconds=3), 11, None, None, None, None, 11)
    assert [bool(each.fired) for each in changes] == [False] * 5 + [True]
    _, changes = _levels(LEVEL, None, None, None, None, watch=watch)
    assert not any(each.resolved for each in changes)
    assert [each.state for each in watch.live] == [AlertState.FIRING]


def test_a_service_that_is_silent_holds_the_alerts_about_it_and_no_others() -> None:
    watch = Watch(RULE["QueueBacklog"])
    watch.see(0, BROKEN["QueueBacklog"])
    assert watch.see(60, BROKEN["QueueBacklog"]).fired
    silent = replace(WELL, services={**WELL.services, "event-service": Absence.SILENT})
    for seconds in (100, 1_000, 10_000):
        assert not watch.see(seconds, silent).resolved
    other = replace(WELL, services={**WELL.services, "delivery-service": Absence.SILENT})
    watch.see(20_000, other)
    assert watch.see(20_060, other).resolved


def test_what_flaps_has_to_be_well_for_longer_each_time() -> None:
    watch = Watch()
    seconds, waited = 0.0, []
    for _ in range(6):
        for value in (11.0, 0.0):
            watch.rules = (_measuring(LEVEL, value),)
            watch.see(seconds, WELL)
        well = 0
        while watch.live:
            well += 1
            watch.see(seconds + well, WELL)
        waited.append(well)
        seconds += well + 1
    assert waited == [2, 4, 8, 16, 32, 32]


def test_after_a_while_it_no_longer_flaps() -> None:
    watch, _ = _levels(LEVEL, 11, 0, 0, 0)
    fired = watch.see(FLAP_SECONDS + 100, WELL)
    assert not fired.opened
    watch.rules = (_measuring(LEVEL, 11),)
    (again,) = watch.see(FLAP_SECONDS + 200, WELL).fired
    assert again.flaps == 0


def test_each_of_several_is_an_alert_of_its_own() -> None:
    watch = Watch(RULE["EventsOverdue"])
    late = [replace(each, overdue=1) for each in WELL.events or ()]
    watch.see(0, replace(WELL, events=late))
    assert {each.labels["priority"] for each in watch.live} == {"HIGH", "NORMAL", "LOW"}
    assert len({each.fingerprint for each in watch.live}) == 3


def test_a_rule_that_is_no_more_leaves_no_alert_behind() -> None:
    watch, _ = _levels(LEVEL, 11)
    watch.rules = ()
    assert watch.see(5, WELL).resolved
    pending, _ = _levels(replace(LEVEL, for_seconds=60), 11)
    pending.rules = ()
    assert pending.see(5, WELL).dropped


def test_too_few_events_say_nothing_of_their_share() -> None:
    few = replace(WELL, recent=replace(BROKEN["FailureRateHigh"].recent, counts=()))
    assert not list(RULE["FailureRateHigh"].measure(few))


def test_settings_may_say_otherwise_of_a_rule() -> None:
    rules = {
        rule.name: rule
        for rule in rules_with(
            {
                "QueueBacklog": RuleChange(threshold=7),
                "CircuitOpen": RuleChange(enabled=False),
                "EventsOverdue": RuleChange(for_seconds=1, clear_seconds=2),
            }
        )
    }
    assert rules.keys() == set(NAMES) - {"CircuitOpen"}
    assert (rules["QueueBacklog"].threshold, rules["QueueBacklog"].clears_at) == (7, None)
    assert (rules["EventsOverdue"].for_seconds, rules["EventsOverdue"].clear_seconds) == (1, 2)
    assert rules["QueueDepthCritical"] == RULE["QueueDepthCritical"]


def test_a_silence_covers_what_its_rule_and_labels_say() -> None:
    watch, _ = _levels(LEVEL, 11)
    (alert,) = watch.live

    def covers(rule: str | None, **labels: str) -> bool:
        return Silence(uuid4(), rule, labels, START, "", "", START).covers(alert)

    assert covers(None)
    assert covers("Level")
    assert covers(None, queue="q")
    assert not covers("Other")
    assert not covers("Level", queue="other")
    assert not covers("Level", queue="q", service="s")
