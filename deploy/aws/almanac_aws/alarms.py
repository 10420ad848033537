"""What CloudWatch watches: queues, databases, the archive and the network.

What only the services know (claims, webhooks, circuits, lateness) is watched by the rules of deploy/observability,
which ``prometheus`` runs on Managed Prometheus as they are. Between them is every alert of docs/operations.md.
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

from almanac_aws.alerts import Alerts, Severity
from almanac_aws.sizes import Size
from contracts.messages.spec import Bus
from contracts.topology import Queue, Topology
from contracts.vocabulary import Priority

CRITICAL_BACKLOG: Final = 500
"""Between the contracts' warning and page of the critical queue."""
OLD_SECONDS: Final = 300
DEAD_LETTERS: Final = 100
CPU_PERCENT: Final = 80
CONNECTIONS_SHARE: Final = 0.8
MEMORY_SHARE: Final = 0.2
STORAGE_SHARE: Final = 0.1
LATENCY_SECONDS: Final = 0.02
CONNECTION_ERRORS: Final = 50
LAG_SECONDS: Final = 1
STANDBY_LAG_SECONDS: Final = 30
"""What may be lost in a failover (docs/failover.md): another region is further away than a second."""
ARCHIVE_SECONDS: Final = 900
GIB: Final = 2**30
Over = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
Under = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
Quiet = cloudwatch.TreatMissingData.NOT_BREACHING
Broken = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True, slots=True)
class Watched:
    """An alarm: what is measured each minute, past which figure, and for how many minutes on end."""

    name: str
    severity: Severity
    metric: cloudwatch.IMetric
    threshold: float
    minutes: int
    summary: str
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
        alarm = cloudwatch.Alarm(
            self,
            watched.name,
            alarm_name=f"{name}-{watched.name}",
            alarm_description=f"{watched.summary}. {runbook_url}",
            metric=watched.metric,
            threshold=watched.threshold,
            evaluation_periods=watched.minutes,
            datapoints_to_alarm=watched.minutes,
            comparison_operator=watched.comparison,
            treat_missing_data=watched.missing,
        )
        action = actions.SnsAction(alerts.topics[watched.severity])
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
        yield Watched(f"{short}-full", "critical", depth, queue.page_depth, 1, f"More than {queue.page_depth} wait")
        if queue.priority is Priority.CRITICAL:
            yield Watched(
                f"{short}-backlog", "warning", depth, CRITICAL_BACKLOG, 1, f"More than {CRITICAL_BACKLOG} wait"
            )
        yield Watched(
            f"{short}-waiting",
            "warning",
            depth,
            queue.warn_depth,
            _patience(queue),
            f"More than {queue.warn_depth} wait",
        )
        age = measured("AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName=queue.name)
        yield Watched(f"{short}-old", "warning", age, OLD_SECONDS, 1, "A message waits for more than five minutes")
    dead = [_depth(each.name) for each in topology.dead_letter_queues]
    yield Watched(
        "dead-letters",
        "warning",
        summed(dead),
        DEAD_LETTERS,
        1,
        f"More than {DEAD_LETTERS} dead letters wait undrained",
    )


def _patience(queue: Queue) -> int:
    # Ten of the critical queue are nothing for a moment: they are what one batch of a storm leaves there.
    return 5 if queue.priority is Priority.CRITICAL else 1


def _depth(name: str) -> cloudwatch.Metric:
    return measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=name)


def _archive(topology: Topology) -> Iterator[Watched]:
    lost = _depth(f"{topology.prefix}-archive-dlq")
    yield Watched("archive-undelivered", "warning", lost, 0, 1, "Messages did not reach the archive's streams")
    for bus in Bus:
        stream = f"{topology.prefix}-{bus}"
        age = measured("AWS/Firehose", "DeliveryToS3.DataFreshness", DeliveryStreamName=stream)
        yield Watched(f"archive-{bus}-late", "warning", age, ARCHIVE_SECONDS, 5, "The archive is behind")


def _databases(name: str, size: Size, *, waits: bool) -> Iterator[Watched]:
    def of(metric: str, statistic: str = "Average", instance: str = name) -> cloudwatch.Metric:
        return measured("AWS/RDS", metric, statistic, DBInstanceIdentifier=instance)

    reports = of("DatabaseConnections", "SampleCount")
    yield Watched("database-down", "critical", reports, 1, 3, "The database does not report", Under, Broken)
    yield Watched("database-cpu", "warning", of("CPUUtilization"), CPU_PERCENT, 15, "CPU is above 80%")
    most = CONNECTIONS_SHARE * size.connections
    yield Watched(
        "database-connections", "warning", of("DatabaseConnections", "Maximum"), most, 5, "80% of connections are taken"
    )
    free = MEMORY_SHARE * size.memory_gib * GIB
    yield Watched(
        "database-memory", "warning", of("FreeableMemory"), free, 15, "Less than 20% of memory is free", Under
    )
    space = STORAGE_SHARE * size.storage_gb * GIB
    yield Watched(
        "database-storage", "warning", of("FreeStorageSpace"), space, 15, "Less than 10% of disk is free", Under
    )
    for metric, short in (("ReadLatency", "read"), ("WriteLatency", "write")):
        yield Watched(
            f"database-{short}-latency", "warning", of(metric), LATENCY_SECONDS, 15, "Over 20 ms for an access"
        )
    refused = cloudwatch.Metric(
        namespace="Almanac",
        metric_name=f"{name}-database-refused",
        statistic="Sum",
        period=cdk.Duration.minutes(1),
    )
    yield Watched(
        "database-refuses", "critical", refused, CONNECTION_ERRORS, 1, "Over 50 connection errors in a minute"
    )
    for number in range(1, size.replicas + 1) if not waits else ():
        lag = of("ReplicaLag", "Maximum", f"{name}-replica-{number}")
        yield Watched(f"replica-{number}-lag", "warning", lag, LAG_SECONDS, 5, "The replica is over a second behind")
    if waits:
        lag = of("ReplicaLag", "Maximum")
        yield Watched(
            "standby-lag",
            "critical",
            lag,
            STANDBY_LAG_SECONDS,
            5,
            "A failover now would lose over 30 seconds",
            missing=Broken,
        )


def _proxy(name: str) -> Iterator[Watched]:
    failed = [
        measured("AWS/RDS", metric, "Sum", ProxyName=name)
        for metric in ("ClientConnectionsSetupFailedAuth", "DatabaseConnectionsSetupFailed")
    ]
    yield Watched(
        "proxy-refuses", "critical", summed(failed), CONNECTION_ERRORS, 1, "Over 50 connection errors in a minute"
    )


def _others(name: str, topology: Topology, nat_gateway: str) -> Iterator[Watched]:
    failed = [
        measured("AWS/SNS", "NumberOfNotificationsFailed", "Sum", TopicName=each.name) for each in topology.topics
    ]
    yield Watched("bus-undelivered", "warning", summed(failed), 0, 5, "SNS could not hand over messages")
    ports = measured("AWS/NATGateway", "ErrorPortAllocation", "Sum", NatGatewayId=nat_gateway)
    yield Watched("nat-ports", "warning", ports, 0, 5, "The NAT gateway has no ports left for webhooks")
