"""Managed Prometheus: the services' own metrics, and the rules that the catalogue of alerts gives for the release."""

import yaml
from aws_cdk import aws_aps as aps
from constructs import Construct

from almanac_aws.alerts import SEVERITIES, Alerts
from contracts.alerts import Release, rule_files


class Prometheus(Construct):
    """A workspace that the cluster's Prometheus writes to. What it finds goes where CloudWatch's alarms go."""

    def __init__(self, scope: Construct, alerts: Alerts, *, name: str, region: str, release: Release) -> None:
        super().__init__(scope, "Prometheus")
        self.workspace = aps.CfnWorkspace(
            self, "Workspace", alias=name, alert_manager_definition=_alert_manager(alerts, region)
        )
        for file, text in rule_files(release).items():
            stem = file.removesuffix(".yaml")
            aps.CfnRuleGroupsNamespace(self, stem, name=stem, workspace=self.workspace.attr_arn, data=text)


def _alert_manager(alerts: Alerts, region: str) -> str:
    receivers = [
        {
            "name": severity,
            "sns_configs": [
                {"topic_arn": alerts.topics[severity].topic_arn, "sigv4": {"region": region}, "send_resolved": True}
            ],
        }
        for severity in SEVERITIES
    ]
    config = {
        "route": {
            "receiver": "warning",
            "group_by": ["alertname", "namespace", "release", "job", "queue", "priority"],
            "group_wait": "10s",
            "repeat_interval": "4h",
            "routes": [{"receiver": "critical", "matchers": ['severity="critical"']}],
        },
        "receivers": receivers,
    }
    return yaml.safe_dump({"alertmanager_config": _dump(config)})


def _dump(value: object) -> str:
    # Lines are as long as they are: in one that is folded, a name that CloudFormation fills in later would be lost.
    return yaml.safe_dump(value, sort_keys=False, width=10**6)
