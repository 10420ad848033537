"""The test kit: real PostgreSQL, SNS and SQS for every test, and receivers for webhooks and spans."""

from testkit.aws import AwsAccount
from testkit.polling import eventually
from testkit.replication import frozen_replica
from testkit.spans import OtlpReceiver, ReceivedSpan
from testkit.webhooks import Answer, ReceivedRequest, Receiver

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
