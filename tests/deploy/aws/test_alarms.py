"""Every alarm that the plan for a million users asks for, with its threshold and how long it must hold."""

import json
import re
from typing import Any

import pytest
import yaml
from almanac_aws.sizes import MEMORY_GIB
from aws_templates import Synthesized
from queries import OBSERVABILITY, RULES

from contracts.alerts import ALERTS, RUNBOOK, Release, rule_files
from contracts.topology import build_topology

pytestmark = pytest.mark.thorough
GIB = 2**30
QUEUES = [queue.name.removeprefix("bday-") for queue in build_topology().queues]
NOT_CRITICAL = [name for name in QUEUES if name != "events-critical"]

# Of the million's stage: comparison, threshold, minutes, severity.
EXPECTED: dict[str, tuple[str, float, int, str]] = {
    **{f"{name}-full": (">", 10_000, 1, "critical") for name in NOT_CRITICAL},
    "events-critical-full": (">", 1_000, 1, "critical"),
    **{f"{name}-waiting": (">", 5_000, 1, "warning") for name in NOT_CRITICAL},
    "events-critical-backlog": (">", 500, 1, "warning"),
    "events-critical-waiting": (">", 10, 5, "warning"),
    **{f"{name}-old": (">", 300, 1, "warning") for name in QUEUES},
    "dead-letters": (">", 100, 1, "warning"),
    "database-down": ("<", 1, 3, "critical"),
    "database-cpu": (">", 80, 15, "warning"),
    "database-connections": (">", 800, 5, "warning"),
    "database-memory": ("<", 0.2 * 32 * GIB, 15, "warning"),
    "database-storage": ("<", 50 * GIB, 15, "warning"),
    "database-read-latency": (">", 0.02, 15, "warning"),
    "database-write-latency": (">", 0.02, 15, "warning"),
    "database-refuses": (">", 50, 1, "critical"),
    "proxy-refuses": (">", 50, 1, "critical"),
    "replica-1-lag": (">", 1, 5, "warning"),
    "replica-2-lag": (">", 1, 5, "warning"),
    "bus-undelivered": (">", 0, 5, "warning"),
    "archive-undelivered": (">", 0, 1, "warning"),
    "archive-domain-events-late": (">", 900, 5, "warning"),
    "archive-dlq-events-late": (">", 900, 5, "warning"),
    "nat-ports": (">", 0, 5, "warning"),
}
COMPARISONS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}

# What only the services know: alert → what of its expression and for how long. These run on Managed Prometheus.
BY_RULE = {
    "WorkerStalled": ("> 10", "1m", "critical"),
    "SchedulerStalled": ("> 0", "1m", "critical"),
    "ErrorRateHigh": ("> 0.1", "5m", "critical"),
    "WebhookSuccessLow": ("< 0.95", "10m", "warning"),
    "WebhookTimeoutsHigh": ("> 0.05", "5m", "warning"),
    "ClaimSlow": ("> 5", "5m", "warning"),
    "WebhookSlow": ("> 10", "5m", "warning"),
    "CircuitBreakerTripped": ("> 0", "0m", "warning"),
}


def _alarms(synthesized: Synthesized, stack: str = "observability") -> dict[str, dict[str, Any]]:
    """The alarms by their names without the deployment's."""
    found = synthesized.resources(stack, "AWS::CloudWatch::Alarm").values()
    start = synthesized.deployment.name + ("-standby" if stack.startswith("standby") else "")
    return {each["AlarmName"].removeprefix(f"{start}-"): each for each in found}


def _severity(alarm: dict[str, Any]) -> str:
    (action,) = alarm["AlarmActions"]
    assert alarm["OKActions"] == [action]
    match = re.search("critical|warning", json.dumps(action))
    return match.group() if match else "nobody"


def test_every_alarm_has_the_threshold_and_the_duration_that_were_asked_for(million: Synthesized) -> None:
    found = {
        name: (
            COMPARISONS[each["ComparisonOperator"]],
            each["Threshold"],
            each["EvaluationPeriods"],
            _severity(each),
        )
        for name, each in _alarms(million).items()
    }
    assert found == EXPECTED


def test_alarms_look_at_every_minute_and_at_all_of_them(each_stage: Synthesized) -> None:
    for name, alarm in _alarms(each_stage).items():
        metrics = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each] or [alarm]
        assert {each["Period"] for each in metrics} == {60}, name
        assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"], name


def test_thresholds_follow_the_size_of_the_stage(each_stage: Synthesized) -> None:
    size, alarms = each_stage.deployment.size, _alarms(each_stage)
    assert alarms["database-connections"]["Threshold"] == 0.8 * size.connections
    assert alarms["database-memory"]["Threshold"] == 0.2 * size.memory_gib * GIB
    assert len([name for name in alarms if name.startswith("replica-")]) == size.replicas
    assert ("proxy-refuses" in alarms) == size.proxy


def test_a_queues_alarm_watches_that_queue(million: Synthesized) -> None:
    alarms = _alarms(million)
    for name in QUEUES:
        for kind, metric in (
            ("full", "ApproximateNumberOfMessagesVisible"),
            ("waiting", "ApproximateNumberOfMessagesVisible"),
            ("old", "ApproximateAgeOfOldestMessage"),
        ):
            alarm = alarms[f"{name}-{kind}"]
            assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", metric)
            assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"bday-{name}"}]
    dead = alarms["dead-letters"]["Metrics"]
    watched = {each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in dead if "MetricStat" in each}
    assert watched == {queue.name for queue in build_topology().dead_letter_queues}


def test_a_database_that_says_nothing_is_down(each_stage: Synthesized) -> None:
    alarm = _alarms(each_stage)["database-down"]
    assert alarm["TreatMissingData"] == "breaching"
    (events,) = each_stage.resources("observability", "AWS::RDS::EventSubscription").values()
    assert set(events["EventCategories"]) == {"availability", "failover", "failure", "low storage"}
    assert "critical" in json.dumps(events["SnsTopicArn"])


def test_refused_connections_are_counted_from_the_databases_log(each_stage: Synthesized) -> None:
    (counted,) = each_stage.resources("observability", "AWS::Logs::MetricFilter").values()
    (transformation,) = counted["MetricTransformations"]
    alarm = _alarms(each_stage)["database-refuses"]
    assert (transformation["MetricNamespace"], transformation["MetricName"]) == (
        alarm["Namespace"],
        alarm["MetricName"],
    )
    assert counted["FilterPattern"] == '"FATAL:"'


def test_managed_prometheus_runs_the_rules_of_the_catalogue_for_the_release(each_stage: Synthesized) -> None:
    namespaces = each_stage.resources("observability", "AWS::APS::RuleGroupsNamespace").values()
    asked = each_stage.deployment
    expected = rule_files(Release(asked.release, asked.namespace, asked.runbook_url))
    assert {f"{each['Name']}.yaml": each["Data"] for each in namespaces} == expected


def test_every_alarm_is_of_an_alert_that_the_catalogue_gives_to_cloudwatch(
    million: Synthesized, two_regions: Synthesized
) -> None:
    described = [
        alarm["AlarmDescription"]
        for synthesized, stack in ((million, "observability"), (two_regions, "standby-observability"))
        for alarm in _alarms(synthesized, stack).values()
    ]
    anchors = {each.rpartition("#")[2] for each in described}
    assert anchors == {alert.anchor for alert in ALERTS.values() if alert.cloudwatch}


def test_the_exporter_finds_databases_and_queues_by_their_tags_and_knows_their_memory(each_stage: Synthesized) -> None:
    discovery = yaml.safe_load((OBSERVABILITY / "cloudwatch-exporter" / "config.yaml").read_text())["discovery"]
    found = {
        "AWS/RDS": each_stage.resources("database", "AWS::RDS::DBInstance").values(),
        "AWS/SQS": each_stage.resources("messaging", "AWS::SQS::Queue").values(),
    }
    for job in discovery["jobs"]:
        wanted = {each["key"]: each["value"] for each in job["searchTags"]}
        assert found[job["type"]]
        for resource in found[job["type"]]:
            assert wanted.items() <= _tags(resource).items()
    (exported,) = discovery["exportedTagsOnMetrics"]["AWS/RDS"]
    for instance in found["AWS/RDS"]:
        kind = instance["DBInstanceClass"].removeprefix("db.")
        assert _tags(instance)[exported] == str(MEMORY_GIB[kind])


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in resource["Tags"]}


def test_alerts_link_to_the_page_that_is_asked_for(two_regions: Synthesized) -> None:
    page = two_regions.deployment.runbook_url
    assert page != RUNBOOK
    for each in two_regions.resources("observability", "AWS::APS::RuleGroupsNamespace").values():
        for group in yaml.safe_load(each["Data"])["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert rule["annotations"]["runbook_url"] == f"{page}#{rule['alert'].lower()}"
    for alarm in _alarms(two_regions).values():
        link = alarm["AlarmDescription"].split(" ")[-1]
        assert link.startswith(f"{page}#")
        assert link.removeprefix(f"{page}#") in {each.lower() for each in ALERTS}


@pytest.mark.parametrize("alert", BY_RULE)
def test_what_only_the_services_know_is_a_rule_with_its_threshold(alert: str) -> None:
    rules = {
        rule["alert"]: rule
        for path in RULES.glob("*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    threshold, held, severity = BY_RULE[alert]
    assert rules[alert]["expr"].strip().endswith(threshold)
    assert (rules[alert]["for"], rules[alert]["labels"]["severity"]) == (held, severity)


def test_prometheus_pages_and_warns_through_the_same_topics(million: Synthesized) -> None:
    (workspace,) = million.resources("observability", "AWS::APS::Workspace").values()
    text = "".join(
        part if isinstance(part, str) else f"arn:{part['Ref']}"
        for part in workspace["AlertManagerDefinition"]["Fn::Join"][1]
    )
    config = yaml.safe_load(yaml.safe_load(text)["alertmanager_config"])
    assert config["route"]["receiver"] == "warning"
    assert config["route"]["routes"] == [{"receiver": "critical", "matchers": ['severity="critical"']}]
    topics = million.resources("observability", "AWS::SNS::Topic")
    for receiver in config["receivers"]:
        (sns,) = receiver["sns_configs"]
        assert topics[sns["topic_arn"].removeprefix("arn:")]["TopicName"] == f"almanac-1m-{receiver['name']}"
        assert sns["sigv4"] == {"region": "us-east-1"}


def test_a_page_goes_to_the_pager_and_everything_to_mail(two_regions: Synthesized) -> None:
    protocols: dict[str, set[str]] = {}
    for each in two_regions.resources("observability", "AWS::SNS::Subscription").values():
        topic = _severity({"AlarmActions": [each["TopicArn"]], "OKActions": [each["TopicArn"]]})
        protocols.setdefault(topic, set()).add(f"{each['Protocol']} {each['Endpoint']}")
    mail = "email operators@almanac.example"
    assert protocols == {"critical": {mail, "https https://pager.example/almanac"}, "warning": {mail}}


def test_the_dashboard_shows_every_queue_the_database_and_the_spend(million: Synthesized) -> None:
    (board,) = million.resources("observability", "AWS::CloudWatch::Dashboard").values()
    body = "".join(part if isinstance(part, str) else "REF" for part in board["DashboardBody"]["Fn::Join"][1])
    widgets = json.loads(body)["widgets"]
    shown = json.dumps(widgets)
    topology = build_topology()
    queues = [each.name for each in topology.queues] + [each.name for each in topology.dead_letter_queues]
    for name in (*queues, *(each.name for each in topology.topics)):
        assert f'"{name}"' in shown
    for metric in (
        "CPUUtilization",
        "DatabaseConnections",
        "ReplicaLag",
        "EstimatedCharges",
        "NumberOfMessagesDeleted",
    ):
        assert metric in shown
    (status,) = (each for each in widgets if each["type"] == "alarm")
    assert len(status["properties"]["alarms"]) == len(_alarms(million))
