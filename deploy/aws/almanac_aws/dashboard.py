"""The dashboard of CloudWatch: is it well, what does it do, what does it cost."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from almanac_aws.alarms import Alarms, measured
from almanac_aws.sizes import Size
from contracts.messages.spec import Bus
from contracts.topology import Topology

BILLED = ("AmazonRDS", "AmazonSNS", "AWSQueueService", "AmazonEC2", "AmazonVPC", "AmazonCloudWatch", "AmazonS3")


class Dashboard(Construct):
    """One page: alarms, queues, databases, events by type and priority, spend."""

    def __init__(self, scope: Construct, alarms: Alarms, topology: Topology, *, name: str, size: Size) -> None:
        super().__init__(scope, "Dashboard")
        delivered = [each for each in topology.queues if each.priority is not None]
        due = [each for each in topology.topics if not isinstance(each.carries, Bus)]
        board = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=name, default_interval=cdk.Duration.hours(3), period_override=None
        )
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.alarms, width=24, height=5))
        board.add_widgets(
            _graph(
                "Messages that wait",
                [_queue(each.name, "ApproximateNumberOfMessagesVisible") for each in topology.queues],
            ),
            _graph(
                "Oldest message, s", [_queue(each.name, "ApproximateAgeOfOldestMessage") for each in topology.queues]
            ),
            _graph(
                "Dead letters",
                [_queue(each.name, "ApproximateNumberOfMessagesVisible") for each in topology.dead_letter_queues],
            ),
        )
        board.add_widgets(
            _graph("Events fired a minute, by type", [_topic(each.name, "NumberOfMessagesPublished") for each in due]),
            _graph(
                "Events taken a minute, by priority",
                [_queue(each.name, "NumberOfMessagesDeleted", "Sum") for each in delivered],
            ),
            _graph("Not handed over", [_topic(each.name, "NumberOfNotificationsFailed") for each in topology.topics]),
        )
        board.add_widgets(
            _graph("CPU, %", [_database(name, "CPUUtilization")]),
            _graph("Connections", [_database(name, "DatabaseConnections")]),
            _graph("Disk access, s", [_database(name, "ReadLatency"), _database(name, "WriteLatency")]),
            _graph(
                "Replicas behind, s",
                [_database(f"{name}-replica-{number}", "ReplicaLag") for number in range(1, size.replicas + 1)]
                or [_database(name, "ReplicaLag")],
            ),
        )
        board.add_widgets(_spend())


def _graph(title: str, metrics: list[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=metrics, width=6 if len(metrics) < 3 else 8, height=6)


def _queue(name: str, metric: str, statistic: str = "Maximum") -> cloudwatch.Metric:
    return measured("AWS/SQS", metric, statistic, QueueName=name).with_(label=name)


def _topic(name: str, metric: str) -> cloudwatch.Metric:
    return measured("AWS/SNS", metric, "Sum", TopicName=name).with_(label=name)


def _database(instance: str, metric: str) -> cloudwatch.Metric:
    return measured("AWS/RDS", metric, "Average", DBInstanceIdentifier=instance).with_(label=f"{instance} {metric}")


def _spend() -> cloudwatch.GraphWidget:
    """Billing reports some times a day, and in us-east-1 alone."""
    month = [
        cloudwatch.Metric(
            namespace="AWS/Billing",
            metric_name="EstimatedCharges",
            dimensions_map={"Currency": "USD", "ServiceName": service},
            statistic="Maximum",
            period=cdk.Duration.hours(6),
            region="us-east-1",
            label=service,
        )
        for service in BILLED
    ]
    total = cloudwatch.Metric(
        namespace="AWS/Billing",
        metric_name="EstimatedCharges",
        dimensions_map={"Currency": "USD"},
        statistic="Maximum",
        period=cdk.Duration.hours(6),
        region="us-east-1",
        label="all",
    )
    return cloudwatch.GraphWidget(title="Spent this month, $", left=[*month, total], width=24, height=6)
