"""Turns the declared topology into topics, queues and subscriptions. Idempotent: what exists is brought in line.

On AWS the CDK stack does this; elsewhere ``python -m chassis topology apply`` (docs/architecture.md#topology).
"""

import asyncio
import json
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chassis.messaging.bus import Bus
from contracts.topology import DeadLetterQueue, Queue, Subscription, Topic

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import QueueAttributeNameType


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Created resources: queues that had to be made may mean that the bus has lost what it held."""

    created_queues: tuple[str, ...]


async def apply(bus: Bus) -> Provisioned:
    """Create or update everything that ``bus.topology`` declares.

    Raises:
        botocore.exceptions.ClientError: AWS refused; existing ones stay.
    """
    topology = bus.topology
    missing = [
        name for name, there in await _gather(_exists(bus, queue.name) for queue in topology.queues) if not there
    ]
    await _gather(_make_queue(bus, queue, {}) for queue in topology.dead_letter_queues)
    await asyncio.gather(
        _gather(bus.sns.create_topic(Name=topic.name) for topic in topology.topics),
        _gather(_make_queue(bus, queue, _work_attributes(bus, queue)) for queue in topology.queues),
    )
    await _gather(_subscribe(bus, subscription) for subscription in topology.subscriptions)
    return Provisioned(tuple(missing))


async def missing(bus: Bus, things: Sequence[Queue | Topic]) -> str | None:
    """None where all of them exist, else one line that says which does not."""
    for name, there in await _gather(
        _exists(bus, each.name) if isinstance(each, Queue) else _topic_exists(bus, each.name) for each in things
    ):
        if not there:
            kind = "queue" if any(isinstance(each, Queue) and each.name == name for each in things) else "topic"
            return f"{kind} {name} does not exist: apply the topology (`python -m chassis topology apply`)"
    return None


class Presence:
    """Whether a queue or topic exists, for readiness.

    That it does is believed for half a minute: probes ask every few seconds, and AWS bills each question.
    """

    SECONDS = 30.0

    def __init__(self, bus: Bus, thing: Queue | Topic) -> None:
        self._bus = bus
        self._thing = thing
        self._until = 0.0

    async def check(self) -> str | None:
        """Raises the bus' error if it is unreachable."""
        if time.monotonic() < self._until:
            return None
        reason = await missing(self._bus, (self._thing,))
        if reason is None:
            self._until = time.monotonic() + self.SECONDS
        return reason


async def _gather(calls: Any) -> list[Any]:
    gate = asyncio.Semaphore(8)

    async def one(call: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))


async def _exists(bus: Bus, name: str) -> tuple[str, bool]:
    try:
        await bus.sqs.get_queue_url(QueueName=name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "").endswith(("QueueDoesNotExist", "NonExistentQueue")):
            return name, False
        raise
    return name, True


async def _topic_exists(bus: Bus, name: str) -> tuple[str, bool]:
    try:
        await bus.sns.get_topic_attributes(TopicArn=bus.topic_arn(name))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code.startswith("NotFound"):
            return name, False
        if code not in (
            "AuthorizationError",
            "AccessDenied",
        ):  # a role that may only publish gets no answer, and notices on publishing
            raise
    return name, True


def _work_attributes(bus: Bus, queue: Queue) -> "Mapping[QueueAttributeNameType, str]":
    return {
        "ReceiveMessageWaitTimeSeconds": "20",
        "RedrivePolicy": json.dumps(
            {
                "deadLetterTargetArn": bus.queue_arn(queue.dead_letter_queue.name),
                "maxReceiveCount": queue.max_receive_count,
            }
        ),
    }


async def _make_queue(
    bus: Bus, queue: Queue | DeadLetterQueue, attributes: "Mapping[QueueAttributeNameType, str]"
) -> None:
    await bus.sqs.create_queue(QueueName=queue.name)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": bus.queue_arn(queue.name),
                "Condition": {"ArnLike": {"aws:SourceArn": bus.topic_arn(f"{bus.topology.prefix}-*")}},
            }
        ],
    }
    await bus.sqs.set_queue_attributes(
        QueueUrl=await bus.queue_url(queue.name),
        Attributes={
            "VisibilityTimeout": str(queue.visibility_seconds),
            "MessageRetentionPeriod": str(queue.retention_seconds),
            "Policy": json.dumps(policy),
            **attributes,
        },
    )


async def _subscribe(bus: Bus, subscription: Subscription) -> None:
    attributes = {
        "RawMessageDelivery": "true" if subscription.raw_delivery else "false",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": bus.queue_arn(subscription.dead_letter_queue.name)}),
    }
    if subscription.filter_policy:
        attributes["FilterPolicy"] = json.dumps(subscription.filter_policy)
    answer = await bus.sns.subscribe(
        TopicArn=bus.topic_arn(subscription.topic.name),
        Protocol="sqs",
        Endpoint=bus.queue_arn(subscription.queue.name),
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    # Subscribing again returns the existing subscription with its old attributes.
    for name, value in attributes.items():
        await bus.sns.set_subscription_attributes(
            SubscriptionArn=answer["SubscriptionArn"], AttributeName=name, AttributeValue=value
        )
