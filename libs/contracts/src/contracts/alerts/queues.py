"""Alerts about SQS queues and the outboxes before them. Depths and ages are those of :mod:`contracts.topology`."""

from typing import Final

from contracts.alerts.alert import MINUTE, Alert, Recording, Severity
from contracts.topology import build_topology
from contracts.vocabulary import Priority

CRITICAL_QUEUE: Final = build_topology().queue(Priority.CRITICAL)
OTHER_QUEUE: Final = build_topology().queue(Priority.NORMAL)
"""For all queues but the critical one: a test holds them to the same depths."""

RECORDINGS: Final = (
    Recording(
        "almanac:consumer_errors:ratio_rate5m",
        """
sum by (job, queue) (rate(almanac_consumer_errors_total{$own}[5m]))
  / sum by (job, queue) (rate(almanac_consumer_batch_duration_seconds_count{$own}[5m]))
""",
    ),
    # From our own processes and, where the CloudWatch exporter runs, from AWS: that covers dead-letter queues, and all
    # queues while none of our processes runs.
    Recording(
        "almanac:queue_depth:max",
        """
max by (queue) (
  almanac_queue_depth{$own}
  or label_replace(
    aws_sqs_approximate_number_of_messages_visible_maximum{$own}, "queue", "$1", "dimension_QueueName", "(.*)")
)
""",
    ),
    Recording(
        "almanac:queue_age_seconds:max",
        """
max by (queue) (
  min by (queue) (almanac_queue_age_seconds{$own})
  or label_replace(
    aws_sqs_approximate_age_of_oldest_message_maximum{$own}, "queue", "$1", "dimension_QueueName", "(.*)")
)
""",
    ),
)

QUEUES: Final = (
    Alert(
        name="CriticalQueueDepthCritical",
        severity=Severity.CRITICAL,
        meaning="Messages waiting in the critical queue.",
        summary="{value:.0f} messages wait in {queue}",
        threshold=CRITICAL_QUEUE.page_depth,
        for_seconds=MINUTE,
        promql='almanac:queue_depth:max{$own, queue=~".*-critical"} > $threshold',
        evaluated=True,
        clears_at=500,
        cloudwatch=True,
    ),
    Alert(
        name="QueueDepthCritical",
        severity=Severity.CRITICAL,
        meaning="Messages waiting in any other queue.",
        summary="{value:.0f} messages wait in {queue}",
        threshold=OTHER_QUEUE.page_depth,
        for_seconds=MINUTE,
        promql='almanac:queue_depth:max{$own, queue!~".*-critical"} > $threshold',
        evaluated=True,
        clears_at=5_000,
        cloudwatch=True,
    ),
    Alert(
        name="CriticalQueueBacklog",
        severity=Severity.WARNING,
        meaning="Messages waiting in the critical queue.",
        summary="{value:.0f} messages wait in {queue}",
        threshold=CRITICAL_QUEUE.backlog_depth,
        for_seconds=MINUTE,
        promql='almanac:queue_depth:max{$own, queue=~".*-critical"} > $threshold',
        evaluated=True,
        clears_at=100,
        cloudwatch=True,
    ),
    Alert(
        name="CriticalQueueNotEmpty",
        severity=Severity.WARNING,
        meaning="Messages waiting in the critical queue, for longer than a burst.",
        summary="{queue} does not drain: {value:.0f} messages wait",
        threshold=CRITICAL_QUEUE.warn_depth,
        for_seconds=5 * MINUTE,
        promql='almanac:queue_depth:max{$own, queue=~".*-critical"} > $threshold',
        evaluated=True,
        clears_at=5,
        cloudwatch=True,
    ),
    Alert(
        name="QueueBacklog",
        severity=Severity.WARNING,
        meaning="Messages waiting in any other queue.",
        summary="{value:.0f} messages wait in {queue}",
        threshold=OTHER_QUEUE.warn_depth,
        for_seconds=MINUTE,
        promql='almanac:queue_depth:max{$own, queue!~".*-critical"} > $threshold',
        evaluated=True,
        clears_at=2_500,
        cloudwatch=True,
    ),
    Alert(
        name="QueueMessagesOld",
        severity=Severity.WARNING,
        meaning="Seconds that the oldest message of a queue has waited.",
        summary="A message has waited {value:.0f} s in {queue}",
        threshold=OTHER_QUEUE.warn_age_seconds,
        for_seconds=MINUTE,
        promql='almanac:queue_age_seconds:max{$own, queue!~".*-dlq"} > $threshold',
        evaluated=True,
        clears_at=60,
        cloudwatch=True,
    ),
    Alert(
        name="ConsumerStalled",
        severity=Severity.CRITICAL,
        meaning="Seconds for which a queue that has messages was not received from.",
        summary="No process has received from {queue} for {value:.0f} s",
        threshold=OTHER_QUEUE.page_age_seconds,
        for_seconds=30,
        evaluated=True,
        clears_at=300,
    ),
    Alert(
        name="QueueProcessingSlow",
        severity=Severity.WARNING,
        meaning="Seconds that due messages wait in their queue (p95).",
        summary="{priority} messages wait {value:.0f} s in their queue (p95)",
        threshold=5,
        for_seconds=5 * MINUTE,
        promql="histogram_quantile(0.95, sum by (priority, le) (rate(almanac_queue_latency_seconds_bucket{$own}[5m])))"
        " > $threshold",
        evaluated=True,
        clears_at=3,
    ),
    Alert(
        name="ErrorRateHigh",
        severity=Severity.CRITICAL,
        meaning="Share of a queue's batches that fail.",
        summary="{value:.0%} of the batches of {queue} fail",
        threshold=0.1,
        for_seconds=5 * MINUTE,
        promql="max by (job, queue) (almanac:consumer_errors:ratio_rate5m{$own}) > $threshold",
    ),
    Alert(
        name="DeadLetterQueueFull",
        severity=Severity.WARNING,
        meaning="Messages in a dead-letter queue of SQS, which its service should have drained.",
        summary="{value:.0f} messages wait in the dead-letter queue of {queue}",
        threshold=OTHER_QUEUE.dead_letter_queue.warn_depth,
        for_seconds=MINUTE,
        promql='almanac:queue_depth:max{$own, queue=~".*-dlq"} > $threshold',
        evaluated=True,
        clears_at=50,
        cloudwatch=True,
    ),
    Alert(
        name="MessagesNotApplied",
        severity=Severity.WARNING,
        meaning="Messages between the services that could not be applied in the last hour.",
        summary="{value:.0f} messages of {queue} could not be applied",
        threshold=0,
        promql="sum by (job, queue) (increase(almanac_dead_letters_total{$own}[1h])) > $threshold",
    ),
    Alert(
        name="PublishingFails",
        severity=Severity.CRITICAL,
        meaning="Age in seconds of the oldest unsent message of a service.",
        summary="{service} has not sent a message of {value:.0f} s ago",
        threshold=120,
        for_seconds=30,
        evaluated=True,
        clears_at=30,
    ),
    Alert(
        name="OutboxSlow",
        severity=Severity.WARNING,
        meaning="Seconds from a transaction to the publication of its messages.",
        summary="{service} sends its messages {value:.0f} s late",
        threshold=30,
        for_seconds=5 * MINUTE,
        promql="histogram_quantile(0.95, sum by (job, le) (rate(almanac_outbox_lag_seconds_bucket{$own}[5m])))"
        " > $threshold",
        evaluated=True,
        clears_at=10,
    ),
    Alert(
        name="OutboxItemsAside",
        severity=Severity.WARNING,
        meaning="Outbox items that cannot be sent and that others pass.",
        summary="{value:.0f} items of {service} are not sent ({reason})",
        threshold=0,
        for_seconds=5 * MINUTE,
        promql="max by (job, reason) (almanac_outbox_aside{$own}) > $threshold",
    ),
)
