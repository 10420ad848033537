"""Managed Prometheus: the services' own metrics, and the rules of deploy/observability, read from where they are."""

import yaml
from aws_cdk import aws_aps as aps
from constructs import Construct

from almanac_aws.alerts import SEVERITIES, Alerts
from almanac_aws.deployment import RUNBOOKS
from almanac_aws.names import RULES


class Prometheus(Construct):
    """A workspace that the cluster's Prometheus writes to. What it finds goes where CloudWatch's alarms go."""

    def __init__(self, scope: Construct, alerts: Alerts, *, name: str, region: str, runbook_url: str) -> None:
        super().__init__(scope, "Prometheus")
        self.workspace = aps.CfnWorkspace(
            self, "Workspace", alias=name, alert_manager_definition=_alert_manager(alerts, region)
        )
        for path in sorted(RULES.glob("*.yaml")):
            aps.CfnRuleGroupsNamespace(
                self,
                path.stem,
                name=path.stem,
                workspace=self.workspace.attr_arn,
                data=path.read_text(encoding="utf-8").replace(RUNBOOKS, runbook_url),
            )


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
            "group_by": ["alertname", "job", "queue", "priority"],
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
