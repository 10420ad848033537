"""The route under test (one topic, four queues, raw delivery, a filter by priority) and messages like due events."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef
    from types_aiobotocore_sqs import SQSClient

PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")
BATCH = 10
# Brings a message to about 1.2 KB.
GREETING = "Hey, Ada Lovelace it's your birthday. " * 9


@dataclass(frozen=True, slots=True)
class Route:
    """A provisioned route: its topic, and its queues' URLs in the order of PRIORITIES."""

    topic_arn: str
    queues: tuple[str, ...]


async def provision(sns: SNSClient, sqs: SQSClient, name: str) -> Route:
    """Create a topic and its four queues with a redrive policy, which costs the emulator a sweep."""
    topic = (await sns.create_topic(Name=name))["TopicArn"]
    dead = (await sqs.create_queue(QueueName=f"{name}-dlq"))["QueueUrl"]
    dead_arn = await _arn(sqs, dead)
    queues = []
    for priority in PRIORITIES:
        policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "3"})
        created = await sqs.create_queue(
            QueueName=f"{name}-{priority.lower()}", Attributes={"VisibilityTimeout": "120", "RedrivePolicy": policy}
        )
        queues.append(created["QueueUrl"])
        await sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=await _arn(sqs, created["QueueUrl"]),
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"priority": [priority]})},
        )
    return Route(topic, tuple(queues))


async def _arn(sqs: SQSClient, url: str) -> str:
    return (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]


def batches(messages: int, priorities: Sequence[str] = PRIORITIES) -> list[list[PublishBatchRequestEntryTypeDef]]:
    """`messages` due events in batches of ten, taking the priorities in turn."""
    entries = [_entry(index, priorities[index % len(priorities)]) for index in range(messages)]
    return [entries[start : start + BATCH] for start in range(0, messages, BATCH)]


def _entry(index: int, priority: str) -> PublishBatchRequestEntryTypeDef:
    event_id, user_id = str(uuid.uuid4()), str(uuid.uuid4())
    message = {
        "eventId": event_id,
        "eventType": "BIRTHDAY",
        "idempotencyKey": event_id,
        "metadata": {
            "userId": user_id,
            "attempt": 1,
            "occurrence": "2026",
            "priority": priority,
            "late": False,
            "expiresAt": "2026-11-26T14:00:00Z",
            "targetTimestampUTC": "2026-11-23T14:00:00Z",
            "targetTimestampLocal": "2026-11-23T09:00:00-05:00",
            "targetTimezone": "America/New_York",
            "tags": ["vip"],
            "contact": {"email": None, "phone": None},
            "deliveryPayload": {"message": GREETING},
        },
    }
    attributes = {
        "eventId": event_id,
        "userId": user_id,
        "eventType": "BIRTHDAY",
        "priority": priority,
        "traceparent": f"00-{uuid.uuid4().hex}-{user_id[:8]}{event_id[:8]}-01",
    }
    return {
        "Id": str(index % BATCH),
        "Message": json.dumps(message, separators=(",", ":")),
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
