"""The test kit: real PostgreSQL, SNS and SQS for every test, and receivers for webhooks and spans."""

from local_stack.testkit.aws import AwsAccount
from local_stack.testkit.polling import eventually
from local_stack.testkit.replication import frozen_replica
from local_stack.testkit.spans import OtlpReceiver, ReceivedSpan
from local_stack.testkit.webhooks import Answer, ReceivedRequest, Receiver

__all__ = [
    "Answer",
    "AwsAccount",
    "OtlpReceiver",
    "ReceivedRequest",
    "ReceivedSpan",
    "Receiver",
    "eventually",
    "frozen_replica",
]
