"""The catalogue of alerts: its thresholds, and what is written from it."""

import re

import pytest

from contracts.alerts import ALERTS, GROUPS, RECORDINGS, Release, alert_table, find_alert, rule_files, with_table
from contracts.alerts.prometheus import expression, summary
from contracts.alerts.runbook import BEGIN, END
from contracts.topology import build_topology
from contracts.vocabulary import Priority

TOPOLOGY = build_topology()
OTHERS = [queue for queue in TOPOLOGY.queues if queue.priority is not Priority.CRITICAL]


def test_names_are_unique() -> None:
    assert len(ALERTS) == sum(map(len, GROUPS.values()))
    records = [each.name for group in RECORDINGS.values() for each in group]
    assert len(records) == len(set(records))


def test_thresholds_of_queues_are_those_of_the_topology() -> None:
    for other in OTHERS:
        assert find_alert("QueueDepthCritical").threshold == other.page_depth
        assert find_alert("QueueBacklog").threshold == other.warn_depth
        assert find_alert("QueueMessagesOld").threshold == other.warn_age_seconds
        assert find_alert("ConsumerStalled").threshold == other.page_age_seconds


def test_thresholds_of_the_critical_queue_rise_with_severity() -> None:
    critical = TOPOLOGY.queue(Priority.CRITICAL)
    names = ("CriticalQueueNotEmpty", "CriticalQueueBacklog", "CriticalQueueDepthCritical")
    thresholds = [find_alert(name).limit for name in names]
    assert thresholds == [critical.warn_depth, critical.backlog_depth, critical.page_depth]
    assert thresholds == sorted(thresholds)
    for dead in TOPOLOGY.dead_letter_queues:
        assert find_alert("DeadLetterQueueFull").threshold == dead.warn_depth


def test_a_condition_has_no_limit() -> None:
    with pytest.raises(ValueError, match="DatabaseDown has no threshold"):
        _ = find_alert("DatabaseDown").limit


@pytest.mark.parametrize(("name", "minutes"), [("BusDown", 1), ("DatabaseConnectionErrors", 1), ("ErrorRateHigh", 5)])
def test_durations_are_at_least_a_minute_for_cloudwatch(name: str, minutes: int) -> None:
    assert find_alert(name).minutes == minutes


def test_a_clearing_threshold_is_on_the_well_side() -> None:
    for each in ALERTS.values():
        if each.clears_at is not None:
            assert each.clears_at > each.limit if each.below else each.clears_at < each.limit, each.name


def test_a_summary_becomes_a_template_of_prometheus() -> None:
    assert summary(find_alert("OutboxSlow")) == (
        '{{ $labels.job }} sends its messages {{ $value | printf "%.0f" }} s late'
    )
    assert "{{ $value | humanizePercentage }} of webhook" in summary(find_alert("WebhookSuccessLow"))


def test_placeholders_are_replaced_and_references_of_regular_expressions_stay() -> None:
    promql = 'label_replace(a{$own, b="$namespace/$release"} > $threshold, "c", "$1", "d", "(.*)")'
    assert expression(promql, Release("r", "n"), 0.95) == (
        'label_replace(a{namespace="n", release="r", b="n/r"} > 0.95, "c", "$1", "d", "(.*)")'
    )


def test_rules_of_two_releases_differ_only_in_namespace_and_release() -> None:
    first, second = rule_files(Release("one", "a")), rule_files(Release("two", "b"))
    for name, text in first.items():
        assert "$own" not in text
        assert "$threshold" not in text
        renamed = text.replace('namespace="a"', 'namespace="b"').replace('release="one"', 'release="two"')
        renamed = renamed.replace('namespace: "a"', 'namespace: "b"').replace('release: "one"', 'release: "two"')
        assert renamed.replace("one-(", "two-(") == second[name]


def test_every_metric_of_a_rule_is_selected_by_its_namespace() -> None:
    """A selector without one would read other releases and applications; kube-state-metrics itself is the cluster's."""
    text = "".join(rule_files(Release()).values()).replace('up{job=~"(.*-)?kube-state-metrics"}', "")
    for match in re.finditer(r"\b(?:almanac|aws|pg|http_server)[a-z0-9_:]+|\bup\b(?={)", text):
        if text[: match.start()].endswith("record: "):
            continue
        assert text[match.end() :].startswith('{namespace="almanac", release="almanac"'), match.group()


def test_the_table_has_a_row_for_each_alert_and_replaces_the_one_before() -> None:
    rows = [line for line in alert_table().splitlines() if line.startswith("| [")]
    assert len(rows) == len(ALERTS)
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = with_table(document)
    assert "\nold\n" not in written
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert with_table(written) == written
    with pytest.raises(ValueError, match="should have the lines"):
        with_table("nothing")
