"""Draining a dead-letter queue (docs/architecture.md#reliability-rules, rule 8).

What arrives there was received too often: its consumer crashed with it, or could not apply it. A message that parses
goes back to its queue, at most three times; one that does not, or that came back too often, becomes a dead letter.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from botocore.exceptions import ClientError
from opentelemetry import metrics

from chassis.messaging.bus import Bus
from chassis.messaging.consumer import ReceivedMessage, Rejection
from contracts.attributes import MAX_ATTRIBUTES
from contracts.errors import ContractError
from contracts.topology import Queue

log = structlog.get_logger(__name__)
_returned = metrics.get_meter("almanac.drain").create_counter(
    "almanac_dlq_returned", description="Messages put back from a dead-letter queue, by queue"
)

MAX_REDRIVES = 3
REDRIVES = "redrives"
"""Message attribute that counts how often a message was put back."""


class DlqDrain:
    """A step of a :class:`chassis.core.lifecycle.Loop` for one queue's DLQ."""

    def __init__(
        self,
        bus: Bus,
        queue: Queue,
        *,
        check: Callable[[str], object],
        reject: Callable[[Sequence[Rejection]], Awaitable[None]],
        every_seconds: float,
    ) -> None:
        """``check`` parses a body and raises ContractError where it never can be applied."""
        self._bus = bus
        self._queue = queue
        self._check = check
        self._reject = reject
        self._every = every_seconds

    async def step(self) -> float:
        """Empty up to ten messages. Raises what the bus or the database raise; messages then stay where they are."""
        source = await self._bus.queue_url(self._queue.dead_letter_queue.name)
        answer = await self._bus.sqs.receive_message(
            QueueUrl=source, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
        )
        messages = answer.get("Messages", ())
        for message in messages:
            attributes = {
                name: value["StringValue"]
                for name, value in message.get("MessageAttributes", {}).items()
                if "StringValue" in value
            }
            received = ReceivedMessage(
                message["MessageId"], message["Body"], attributes, message["ReceiptHandle"], 1, 0.0
            )
            rejection = self._judge(received) or await self._put_back(received)
            if rejection is not None:
                await self._reject([rejection])
            await self._bus.sqs.delete_message(QueueUrl=source, ReceiptHandle=received.receipt_handle)
        return 0.0 if messages else self._every

    def _judge(self, message: ReceivedMessage) -> Rejection | None:
        try:
            self._check(message.body)
        except ContractError as error:
            return Rejection(message, "poison", str(error))
        if int(message.attributes.get(REDRIVES, "0")) >= MAX_REDRIVES:
            return Rejection(message, "not_applied", f"put back {MAX_REDRIVES} times and still not applied")
        return None

    async def _put_back(self, message: ReceivedMessage) -> Rejection | None:
        """Send the message to its queue; the rejection of one that SQS does not take, as of text with U+FFFF."""
        redrives = int(message.attributes.get(REDRIVES, "0")) + 1
        attributes = dict(list(message.attributes.items())[: MAX_ATTRIBUTES - 1]) | {REDRIVES: str(redrives)}
        try:
            await self._bus.sqs.send_message(
                QueueUrl=await self._bus.queue_url(self._queue.name),
                MessageBody=message.body,
                MessageAttributes={n: {"DataType": "String", "StringValue": v} for n, v in attributes.items()},
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "")).rpartition(".")[2]
            if not code.startswith("Invalid"):
                raise
            return Rejection(message, "not_returnable", f"SQS does not take it back: {code}")
        _returned.add(1, {"queue": self._queue.name})
        log.warning(
            "message put back from the dead-letter queue",
            queue=self._queue.name,
            redrives=redrives,
            message_id=message.message_id,
        )
        return None
