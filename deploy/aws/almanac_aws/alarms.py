"""What CloudWatch watches: queues, databases, the archive and the network.

Thresholds, durations and severities are those of the catalogue (:mod:`contracts.alerts`), and each alarm links to the
section of docs/operations.md about its alert. What only the services know (claims, webhooks, circuits, lateness) is
judged by the rules of Prometheus, which come of the same catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from constructs import Construct

from almanac_aws.alerts import Alerts
from almanac_aws.sizes import Size
from contracts.alerts import Alert, find_alert
from contracts.messages.spec import Bus
from contracts.topology import Topology
from contracts.vocabulary import Priority

REPORTS_MINUTES: Final = 3
"""RDS reports once a minute, and sometimes late: a database that has not for three minutes is down."""
GIB: Final = 2**30
Over = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
Under = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
Quiet = cloudwatch.TreatMissingData.NOT_BREACHING
Broken = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True, slots=True)
class Watched:
    """An alarm for an alert of the catalogue: what is measured each minute.

    Attributes:
        name: the alarm's, without the deployment's.
        threshold: in the unit of the metric, where the alert's is a share of something; None for the alert's own.
        minutes: how long the alarm must last, where CloudWatch needs longer than the alert; None for the alert's own.
    """

    name: str
    alert: Alert
    metric: cloudwatch.IMetric
    threshold: float | None = None
    minutes: int | None = None
    comparison: cloudwatch.ComparisonOperator = Over
    missing: cloudwatch.TreatMissingData = Quiet


def measured(namespace: str, metric: str, statistic: str = "Maximum", **dimensions: str) -> cloudwatch.Metric:
    """A metric of AWS', each minute."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=metric,
        dimensions_map=dimensions,
        statistic=statistic,
        period=cdk.Duration.minutes(1),
    )


def summed(metrics: list[cloudwatch.Metric]) -> cloudwatch.MathExpression:
    """All of them together."""
    named = {f"m{number}": metric for number, metric in enumerate(metrics)}
    return cloudwatch.MathExpression(
        expression="+".join(f"FILL({each}, 0)" for each in named), using_metrics=named, period=cdk.Duration.minutes(1)
    )


class Alarms(Construct):
    """Every alarm of one region, each named ``<name>-<what>``.

    ``waits`` says that the region's database is a replica of another region's.
    """

    def __init__(
        self,
        scope: Construct,
        alerts: Alerts,
        topology: Topology,
        log: logs.ILogGroup,
        *,
        name: str,
        size: Size,
        nat_gateway: str,
        waits: bool,
        proxy: bool,
        runbook_url: str,
    ) -> None:
        super().__init__(scope, "Alarms")
        self._refused(log, name)
        self.alarms = [
            self._alarm(alerts, name, each, runbook_url)
            for each in (
                *_queues(topology),
                *_archive(topology),
                *_databases(name, size, waits=waits),
                *(_proxy(name) if proxy else ()),
                *_others(name, topology, nat_gateway),
            )
        ]
        rds.CfnEventSubscription(
            self,
            "DatabaseEvents",
            subscription_name=f"{name}-database",
            sns_topic_arn=alerts.topics["critical"].topic_arn,
            source_type="db-instance",
            source_ids=[name],
            event_categories=["availability", "failover", "failure", "low storage"],
            enabled=True,
        )

    def _alarm(self, alerts: Alerts, name: str, watched: Watched, runbook_url: str) -> cloudwatch.Alarm:
        alert = watched.alert
        minutes = watched.minutes or alert.minutes
        alarm = cloudwatch.Alarm(
            self,
            watched.name,
            alarm_name=f"{name}-{watched.name}",
            alarm_description=f"{alert.meaning} {runbook_url}#{alert.anchor}",
            metric=watched.metric,
            threshold=alert.limit if watched.threshold is None else watched.threshold,
            evaluation_periods=minutes,
            datapoints_to_alarm=minutes,
            comparison_operator=watched.comparison,
            treat_missing_data=watched.missing,
        )
        action = actions.SnsAction(alerts.topics[alert.severity.value])
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
        return alarm

    def _refused(self, log: logs.ILogGroup, name: str) -> None:
        """Connections that PostgreSQL refuses leave a line in its log, with a proxy or without."""
        logs.MetricFilter(
            self,
            "Refused",
            log_group=log,
            filter_pattern=logs.FilterPattern.any_term("FATAL:"),
            metric_namespace="Almanac",
            metric_name=f"{name}-database-refused",
            metric_value="1",
            default_value=0,
        )


def _queues(topology: Topology) -> Iterator[Watched]:
    for queue in topology.queues:
        short = queue.name.removeprefix(f"{topology.prefix}-")
        depth = _depth(queue.name)
        if queue.priority is Priority.CRITICAL:
            yield Watched(f"{short}-full", find_alert("CriticalQueueDepthCritical"), depth)
            yield Watched(f"{short}-backlog", find_alert("CriticalQueueBacklog"), depth)
            yield Watched(f"{short}-waiting", find_alert("CriticalQueueNotEmpty"), depth)
        else:
            yield Watched(f"{short}-full", find_alert("QueueDepthCritical"), depth)
            yield Watched(f"{short}-waiting", find_alert("QueueBacklog"), depth)
        age = measured("AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName=queue.name)
        yield Watched(f"{short}-old", find_alert("QueueMessagesOld"), age)
    dead = [_depth(each.name) for each in topology.dead_letter_queues]
    yield Watched("dead-letters", find_alert("DeadLetterQueueFull"), summed(dead))


def _depth(name: str) -> cloudwatch.Metric:
    return measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=name)


def _archive(topology: Topology) -> Iterator[Watched]:
    lost = _depth(f"{topology.prefix}-archive-dlq")
    yield Watched("archive-undelivered", find_alert("ArchiveUndelivered"), lost)
    for bus in Bus:
        stream = f"{topology.prefix}-{bus}"
        age = measured("AWS/Firehose", "DeliveryToS3.DataFreshness", DeliveryStreamName=stream)
        yield Watched(f"archive-{bus}-late", find_alert("ArchiveLate"), age)


def _databases(name: str, size: Size, *, waits: bool) -> Iterator[Watched]:
    def of(metric: str, statistic: str = "Average", instance: str = name) -> cloudwatch.Metric:
        return measured("AWS/RDS", metric, statistic, DBInstanceIdentifier=instance)

    reports = of("DatabaseConnections", "SampleCount")
    down = find_alert("DatabaseDown")
    yield Watched("database-down", down, reports, 1, REPORTS_MINUTES, Under, Broken)
    yield Watched("database-cpu", find_alert("DatabaseCpuHigh"), of("CPUUtilization"))
    connections = find_alert("DatabaseConnectionsHigh")
    most = connections.limit * size.connections
    yield Watched("database-connections", connections, of("DatabaseConnections", "Maximum"), most)
    memory = find_alert("DatabaseMemoryLow")
    free = memory.limit * size.memory_gib * GIB
    yield Watched("database-memory", memory, of("FreeableMemory"), free, comparison=Under)
    storage = find_alert("DatabaseStorageLow")
    space = storage.limit * size.storage_gb * GIB
    yield Watched("database-storage", storage, of("FreeStorageSpace"), space, comparison=Under)
    for metric, short in (("ReadLatency", "read"), ("WriteLatency", "write")):
        yield Watched(f"database-{short}-latency", find_alert("DatabaseLatencyHigh"), of(metric))
    refused = cloudwatch.Metric(
        namespace="Almanac",
        metric_name=f"{name}-database-refused",
        statistic="Sum",
        period=cdk.Duration.minutes(1),
    )
    yield Watched("database-refuses", find_alert("DatabaseConnectionErrors"), refused)
    for number in range(1, size.replicas + 1) if not waits else ():
        lag = of("ReplicaLag", "Maximum", f"{name}-replica-{number}")
        yield Watched(f"replica-{number}-lag", find_alert("ReplicationLagHigh"), lag)
    if waits:
        yield Watched("standby-lag", find_alert("StandbyLagHigh"), of("ReplicaLag", "Maximum"), missing=Broken)


def _proxy(name: str) -> Iterator[Watched]:
    failed = [
        measured("AWS/RDS", metric, "Sum", ProxyName=name)
        for metric in ("ClientConnectionsSetupFailedAuth", "DatabaseConnectionsSetupFailed")
    ]
    yield Watched("proxy-refuses", find_alert("DatabaseConnectionErrors"), summed(failed))


def _others(name: str, topology: Topology, nat_gateway: str) -> Iterator[Watched]:
    failed = [
        measured("AWS/SNS", "NumberOfNotificationsFailed", "Sum", TopicName=each.name) for each in topology.topics
    ]
    yield Watched("bus-undelivered", find_alert("BusUndelivered"), summed(failed))
    ports = measured("AWS/NATGateway", "ErrorPortAllocation", "Sum", NatGatewayId=nat_gateway)
    yield Watched("nat-ports", find_alert("NatPortsExhausted"), ports)
