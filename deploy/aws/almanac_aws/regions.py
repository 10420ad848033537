"""Everything, put together: a stack a noun, so that a change of one says in its difference that it touches no other."""

from typing import Final

import aws_cdk as cdk

from almanac_aws.alarms import Alarms
from almanac_aws.alerts import Alerts
from almanac_aws.archive import Archive
from almanac_aws.backups import Backups
from almanac_aws.cache import Cache
from almanac_aws.dashboard import Dashboard
from almanac_aws.database import Database, Standby
from almanac_aws.deployment import Deployment
from almanac_aws.dns import Dns, Switch
from almanac_aws.identity import Identity
from almanac_aws.logs import make_log_group
from almanac_aws.messaging import Messaging
from almanac_aws.names import SERVICES
from almanac_aws.network import Network
from almanac_aws.prometheus import Prometheus
from almanac_aws.secrets import Secrets
from contracts.alerts import Release
from contracts.topology import build_topology

ROUTE_53: Final = "us-east-1"
"""Where Route 53 keeps its figures, so where an alarm on them must be."""

UNTAGGED: Final = ["AWS::RDS::DBProxyTargetGroup"]
"""What CDK would tag and CloudFormation refuses to."""


class Region:
    """The stacks of one region. ``seat`` is ``primary`` or ``standby``."""

    def __init__(self, app: cdk.App, deployment: Deployment, seat: str) -> None:
        self._app = app
        self._deployment = deployment
        self._seat = seat
        self.region = deployment.region if seat == "primary" else str(deployment.standby_region)
        self.name = deployment.name if seat == "primary" else f"{deployment.name}-standby"
        size = deployment.size
        topology = build_topology(deployment.prefix)

        self.network = Network(self.stack("network"), seat)
        self.messaging = Messaging(self.stack("messaging"), topology, name=self.name, protected=size.protected)
        Archive(self.stack("archive"), self.messaging, name=self.name, size=size)
        self.database = self._make_database()
        cache = (
            Cache(self.stack("cache"), self.network, name=self.name, node=deployment.cache_node).endpoint
            if deployment.cache_node
            else None
        )
        Secrets(self.stack("secrets"), deployment, seat, self.database, cache)
        observability = self.stack("observability")
        self.alerts = Alerts(
            observability,
            name=self.name,
            email=deployment.alert_email,
            pager=deployment.pager_url,
            protected=size.protected,
        )
        release = Release(deployment.release, deployment.namespace, deployment.runbook_url)
        prometheus = Prometheus(observability, self.alerts, name=self.name, region=self.region, release=release)
        alarms = Alarms(
            observability,
            self.alerts,
            topology,
            self.database.log,
            name=self.name,
            size=size,
            nat_gateway=self.network.nat_gateway,
            waits=isinstance(self.database, Standby) and deployment.active == "primary",
            proxy=self.database.proxy is not None,
            runbook_url=deployment.runbook_url,
        )
        Dashboard(observability, alarms, topology, name=self.name, size=size)
        for whose in SERVICES.values():
            make_log_group(observability, f"Log-{whose}", f"/almanac/{self.name}/{whose}", size)
        provider = deployment.oidc_provider if seat == "primary" else deployment.standby_oidc_provider
        if provider:
            Identity(
                self.stack("identity"),
                self.messaging,
                self.database,
                name=deployment.name,
                provider=provider,
                release=deployment.release,
                namespace=deployment.namespace,
                email_identity=deployment.email_identity,
                sms=deployment.sms == "true",
                metrics_arn=prometheus.workspace.attr_arn,
            )

    def _make_database(self) -> Database | Standby:
        stack = self.stack("database")
        size, name = self._deployment.size, self.name
        database: Database | Standby
        if self._seat == "primary":
            database = Database(stack, self.network, name=name, size=size)
        else:
            database = Standby(
                stack,
                self.network,
                name=name,
                size=size,
                source_arn=f"arn:aws:rds:{self._deployment.region}:{stack.account}:db:{self._deployment.name}",
                promoted=self._deployment.active == "standby",
            )
        if self._seat == "primary" or self._deployment.active == "standby":
            Backups(stack, database.instance, database.key.key_arn, name=name, size=size)
        return database

    def stack(self, noun: str) -> cdk.Stack:
        """A further stack of this region."""
        return make_stack(self._app, self._deployment, f"{self.name}-{noun}", self.region, noun)


def make_stack(app: cdk.App, deployment: Deployment, name: str, region: str, noun: str) -> cdk.Stack:
    """An empty stack with what all have: its place, and the tags for cost allocation."""
    stack = cdk.Stack(
        app,
        name,
        stack_name=name,
        env=cdk.Environment(region=region, account=deployment.account),
        termination_protection=deployment.size.protected,
        synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
    )
    for key, value in (
        ("cost-center", "almanac"),
        ("project", "almanac"),
        ("stage", deployment.stage),
        ("component", noun),
    ):
        cdk.Tags.of(stack).add(key, value, exclude_resource_types=UNTAGGED)
    return stack


def build(app: cdk.App, deployment: Deployment) -> None:
    """All stacks of a deployment, in one region or two."""
    primary = Region(app, deployment, "primary")
    switch: cdk.Stack | None = None
    if deployment.standby_region:
        standby = Region(app, deployment, "standby")
        # Known to each other by name alone: over regions CloudFormation sees no order by itself.
        cdk.Stack.of(standby.database).add_dependency(cdk.Stack.of(primary.database))
        switch = standby.stack("switch")
        Switch(switch, name=deployment.name)
    if deployment.domain and deployment.hosted_zone and deployment.ingress:
        stack = make_stack(app, deployment, f"{deployment.name}-dns", ROUTE_53, "dns")
        if switch is not None:
            stack.add_dependency(switch)
        alerts = Alerts(
            stack,
            name=f"{deployment.name}-dns",
            email=deployment.alert_email,
            pager=deployment.pager_url,
            protected=deployment.size.protected,
        )
        Dns(
            stack,
            alerts,
            name=deployment.name,
            domain=deployment.domain,
            zone=deployment.hosted_zone,
            ingress=deployment.ingress,
            standby_region=deployment.standby_region,
            standby_ingress=deployment.standby_ingress,
        )
