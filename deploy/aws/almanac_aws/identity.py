"""Who may do what: one role a service, which its pods take by their cluster's word, and four for what serves them.

A service may publish to the topics that the topology says it publishes to, work on its own queues, and connect to its
own database. Nothing else, and nothing by a wildcard but what ``tests/deploy/test_aws_identity.py`` gives a reason for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from almanac_aws.database import Database, Standby
from almanac_aws.messaging import Messaging
from almanac_aws.names import SERVICES, database_user, role_name
from contracts.messages.spec import Bus
from contracts.topology import Queue, Topology
from contracts.vocabulary import Service

WORK: Final = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage")
MEASURE: Final = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom a role trusts: an account of the chart's release, or of an operator that runs beside it."""

    namespace: str
    name: str


class Identity(Construct):
    """The roles. ``provider`` is the issuer of the cluster's tokens, without ``https://``."""

    def __init__(
        self,
        scope: Construct,
        messaging: Messaging,
        database: Database | Standby,
        *,
        name: str,
        provider: str,
        release: str,
        namespace: str,
        email_identity: str | None,
        sms: bool,
        metrics_arn: str,
    ) -> None:
        super().__init__(scope, "Identity")
        self._stack = cdk.Stack.of(self)
        self._name = name
        self._provider = provider
        self._database = database
        self._key = messaging.key
        topology = messaging.topology
        self.roles = {
            whose: self._role(whose, ServiceAccount(namespace, f"{release}-{whose}")) for whose in SERVICES.values()
        }
        for service, whose in SERVICES.items():
            self._may_use_bus(self.roles[whose], service, topology)
            self._may_connect(self.roles[whose], [service])
        if email_identity:
            for whose in ("delivery", "analytics"):  # what is due, and alerts
                self._allow(self.roles[whose], ["ses:SendEmail"], [self._arn("ses", f"identity/{email_identity}")])
        if sms:
            # A text message has no topic: everything that is not a topic is a telephone.
            self.roles["delivery"].add_to_policy(
                iam.PolicyStatement(actions=["sns:Publish"], not_resources=[self._arn("sns", "*", everywhere=True)])
            )
        self._others(release, namespace, topology, metrics_arn)

    def _others(self, release: str, namespace: str, topology: Topology, metrics_arn: str) -> None:
        jobs = self.roles["jobs"] = self._role("jobs", ServiceAccount(namespace, f"{release}-jobs"))
        self._may_connect(jobs, Service)
        keda = self.roles["keda"] = self._role("keda", ServiceAccount("keda", "keda-operator"))
        self._allow(keda, MEASURE, self._queues(topology.queues))
        secrets = self.roles["secrets"] = self._role("secrets", ServiceAccount("external-secrets", "external-secrets"))
        self._allow(
            secrets,
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [self._arn("secretsmanager", f"secret:{namespace}/{whose}/*") for whose in SERVICES.values()],
        )
        metrics = self.roles["metrics"] = self._role("metrics", ServiceAccount("monitoring", "prometheus"))
        self._allow(metrics, ["aps:RemoteWrite"], [metrics_arn])

    def _role(self, whose: str, account: ServiceAccount) -> iam.Role:
        issuer = f"arn:{self._stack.partition}:iam::{self._stack.account}:oidc-provider/{self._provider}"
        role = iam.Role(
            self,
            whose,
            role_name=role_name(self._name, self._stack.region, whose),
            description=f"Pods with the service account {account.name}",
            max_session_duration=cdk.Duration.hours(1),
            assumed_by=iam.WebIdentityPrincipal(
                issuer,
                {
                    "StringEquals": {
                        f"{self._provider}:aud": "sts.amazonaws.com",
                        f"{self._provider}:sub": f"system:serviceaccount:{account.namespace}:{account.name}",
                    }
                },
            ),
        )
        cdk.CfnOutput(self, f"{whose}-arn", value=role.role_arn)
        return role

    def _may_use_bus(self, role: iam.Role, service: Service, topology: Topology) -> None:
        published = [topic for topic in topology.topics if service in topic.publishers]
        own = topology.queues_of(service)
        # Whether its topics are there is what a pod says of itself at /readyz.
        self._allow(
            role, ["sns:Publish", "sns:GetTopicAttributes"], [self._arn("sns", topic.name) for topic in published]
        )
        self._allow(role, WORK, self._queues(own) + self._queues(own, dead=True))
        # What it could not do at first, it puts back from the dead-letter queue.
        self._allow(role, ["sqs:SendMessage"], self._queues(own))
        # Who publishes due events looks first how many wait.
        due = [topic for topic in published if not isinstance(topic.carries, Bus)]
        waiting = {each.queue.name: each.queue for each in topology.subscriptions if each.topic in due}
        self._allow(role, MEASURE, self._queues(waiting.values()))
        self._allow(
            role,
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [self._key.key_arn],
            {
                "StringLike": {
                    "kms:ViaService": [f"{each}.{self._stack.region}.amazonaws.com" for each in ("sns", "sqs")]
                }
            },
        )

    def _may_connect(self, role: iam.Role, services: Iterable[Service]) -> None:
        for service in services:
            user = database_user(service)
            for one in (self._database.instance, *self._database.replicas):
                one.grant_connect(role, user)
            if self._database.proxy is not None:
                self._database.proxy.proxy.grant_connect(role, user)

    def _queues(self, queues: Iterable[Queue], *, dead: bool = False) -> list[str]:
        return [self._arn("sqs", each.dead_letter_queue.name if dead else each.name) for each in queues]

    def _arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        region, account = ("*", "*") if everywhere else (self._stack.region, self._stack.account)
        return f"arn:{self._stack.partition}:{service}:{region}:{account}:{resource}"

    def _allow(
        self,
        role: iam.Role,
        actions: Iterable[str],
        resources: list[str],
        conditions: dict[str, object] | None = None,
    ) -> None:
        if resources:
            role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=resources, conditions=conditions))
