"""Where alarms go: a topic that pages, and one that is read in working hours."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from almanac_aws.keys import make_key
from contracts.alerts import Severity

SEVERITIES: Final = tuple(severity.value for severity in Severity)
PUBLISHERS: Final = ("aps.amazonaws.com", "cloudwatch.amazonaws.com", "events.rds.amazonaws.com")


class Alerts(Construct):
    """The topics ``<name>-critical`` and ``<name>-warning``: what CloudWatch, RDS and Managed Prometheus publish to."""

    def __init__(self, scope: Construct, *, name: str, email: str | None, pager: str | None, protected: bool) -> None:
        super().__init__(scope, "Alerts")
        key = make_key(self, f"alias/{name}-alerts", "Alerts of Almanac", protected=protected)
        ours = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
        principals = [iam.ServicePrincipal(each) for each in PUBLISHERS]
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=principals,
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in a key's own policy: this key
                conditions=ours,
            )
        )
        self.topics = {
            severity: sns.Topic(self, severity, topic_name=f"{name}-{severity}", master_key=key, enforce_ssl=True)
            for severity in SEVERITIES
        }
        for topic in self.topics.values():
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=principals,
                    actions=["sns:GetTopicAttributes", "sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions=ours,
                )
            )
            if email:
                topic.add_subscription(subscriptions.EmailSubscription(email))
        if pager:
            self.topics["critical"].add_subscription(subscriptions.UrlSubscription(pager))
