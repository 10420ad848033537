"""The APIs' names. Where they lead is switched by a person, in the region that takes over (docs/failover.md)."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_route53 as route53
from constructs import Construct

from almanac_aws.alerts import Alerts
from almanac_aws.names import SERVICES

TTL_SECONDS: Final = 60
SWITCH: Final = "failed-over"


def switch_name(name: str) -> str:
    """The metric, and the alarm on it, that says 1 while the standby region serves."""
    return f"{name}-{SWITCH}"


class Switch(Construct):
    """In the standby region: an alarm that is raised and lowered by hand, by one figure sent to CloudWatch.

    It keeps its state while nothing is sent. Neither Route 53's nor the lost region's control plane has a part in it.
    """

    def __init__(self, scope: Construct, *, name: str) -> None:
        super().__init__(scope, "Switch")
        cloudwatch.Alarm(
            self,
            "Alarm",
            alarm_name=switch_name(name),
            alarm_description="The APIs' names lead to this region. docs/failover.md",
            metric=cloudwatch.Metric(
                namespace="Almanac", metric_name=switch_name(name), statistic="Maximum", period=cdk.Duration.minutes(1)
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )


class Dns(Construct):
    """A name for each API, ``<service>.<domain>``; with a standby, two records of which Route 53 answers one.

    Where it is watched from outside as well: a check of Route 53 from around the world, whose alarm is in us-east-1,
    where Route 53 keeps its figures. It pages; it moves nothing.
    """

    def __init__(
        self,
        scope: Construct,
        alerts: Alerts,
        *,
        name: str,
        domain: str,
        zone: str,
        ingress: str,
        standby_region: str | None,
        standby_ingress: str | None,
    ) -> None:
        super().__init__(scope, "Dns")
        self._zone = zone
        self._watch(alerts, name, domain)
        switch = self._switch(name, standby_region) if standby_region else None
        for whose in SERVICES.values():
            host = f"{whose}.{domain}"
            if switch is None or standby_ingress is None:
                self._record(host, ingress, whose)
                continue
            self._record(host, ingress, f"{whose}-primary", failover="PRIMARY", health_check_id=switch.ref)
            self._record(host, standby_ingress, f"{whose}-standby", failover="SECONDARY")

    def _record(self, host: str, target: str, id: str, **options: str) -> None:
        route53.CfnRecordSet(
            self,
            id,
            hosted_zone_id=self._zone,
            name=host,
            type="CNAME",
            ttl=str(TTL_SECONDS),
            resource_records=[target],
            set_identifier=id if options else None,
            **options,
        )

    def _switch(self, name: str, region: str) -> route53.CfnHealthCheck:
        return route53.CfnHealthCheck(
            self,
            "Switch",
            health_check_config=route53.CfnHealthCheck.HealthCheckConfigProperty(
                type="CLOUDWATCH_METRIC",
                alarm_identifier=route53.CfnHealthCheck.AlarmIdentifierProperty(name=switch_name(name), region=region),
                # The switch to a region persists without being repeated each minute.
                insufficient_data_health_status="LastKnownStatus",
            ),
        )

    def _watch(self, alerts: Alerts, name: str, domain: str) -> None:
        for whose in SERVICES.values():
            check = route53.CfnHealthCheck(
                self,
                f"Watch-{whose}",
                health_check_config=route53.CfnHealthCheck.HealthCheckConfigProperty(
                    type="HTTPS",
                    fully_qualified_domain_name=f"{whose}.{domain}",
                    port=443,
                    resource_path="/openapi.json",
                    request_interval=30,
                    failure_threshold=3,
                    enable_sni=True,
                ),
            )
            alarm = cloudwatch.Alarm(
                self,
                f"Unreachable-{whose}",
                alarm_name=f"{name}-{whose}-unreachable",
                alarm_description=f"{whose}.{domain} does not answer from outside. docs/failover.md",
                metric=cloudwatch.Metric(
                    namespace="AWS/Route53",
                    metric_name="HealthCheckStatus",
                    dimensions_map={"HealthCheckId": check.attr_health_check_id},
                    statistic="Minimum",
                    period=cdk.Duration.minutes(1),
                ),
                threshold=1,
                evaluation_periods=3,
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            )
            alarm.add_alarm_action(actions.SnsAction(alerts.topics["critical"]))
