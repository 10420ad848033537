"""Publishing to SNS in batches, several in flight (design §4 "Claim", §13)."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from opentelemetry import metrics

from chassis.messaging.bus import Bus
from contracts.attributes import check_attributes

if TYPE_CHECKING:
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef

log = structlog.get_logger(__name__)
_meter = metrics.get_meter("almanac.bus")
_published = _meter.create_counter("almanac_messages_published", description="Messages that SNS accepted, by topic")
_failed = _meter.create_counter("almanac_messages_not_published", description="Messages that it did not, by topic")

MAX_BATCH_ENTRIES = 10
MAX_BATCH_BYTES = 256 * 1024 - 4096  # SNS counts attributes too; they stay far below the margin


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message: its body and its string attributes."""

    body: str
    attributes: Mapping[str, str]


class Refusal(str):
    """Why SNS refused one message, where it answered: the same message again gets the same answer."""


class Publisher:
    """Publishes to the topics of a bus. At most ``in_flight`` calls at a time over the whole process."""

    def __init__(self, bus: Bus, *, in_flight: int = 8) -> None:
        self._bus = bus
        self._slots = asyncio.Semaphore(in_flight)

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> list[str | None]:
        """Publish ``messages`` and return, for each, None where SNS accepted it or the reason why it did not.

        Never raises for what the bus does: a failed call is a reason for each of its entries. A call that SNS refuses
        is made again message by message: the reasons of those that it refuses are a :class:`Refusal`. A message whose
        call got
        no answer may have been accepted all the same, so whoever sends it again relies on the receiver's deduplication.

        Raises:
            ContractError: a message has more attributes than survive, or an empty one.
        """
        for message in messages:
            check_attributes(message.attributes)
        results: list[str | None] = [None] * len(messages)

        async def send(batch: slice) -> None:
            for index, reason in await self._send(topic, messages[batch]):
                results[batch.start + index] = reason

        await asyncio.gather(*(send(batch) for batch in _batches(messages)))
        if accepted := results.count(None):
            _published.add(accepted, {"topic": topic})
        if accepted < len(messages):
            _failed.add(len(messages) - accepted, {"topic": topic})
        return results

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> list[tuple[int, str]]:
        entries: list[PublishBatchRequestEntryTypeDef] = [
            {
                "Id": str(index),
                "Message": message.body,
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
                },
            }
            for index, message in enumerate(messages)
        ]
        refused: ClientError | None = None
        async with self._slots:
            try:
                answer = await self._bus.sns.publish_batch(
                    TopicArn=self._bus.topic_arn(topic), PublishBatchRequestEntries=entries
                )
            except ClientError as error:
                if not _is_refusal(error):
                    log.warning("publish failed", topic=topic, messages=len(messages), error=repr(error))
                    return [(index, str(error)) for index in range(len(messages))]
                refused = error
            except (BotoCoreError, OSError, TimeoutError) as error:
                log.warning("publish failed", topic=topic, messages=len(messages), error=repr(error))
                return [(index, str(error) or repr(error)) for index in range(len(messages))]
        if refused is not None:
            if len(messages) == 1:
                log.warning("publish refused", topic=topic, error=repr(refused))
                return [(0, Refusal(refused))]
            alone = await asyncio.gather(*(self._send(topic, [message]) for message in messages))
            return [(index, reason) for index, reasons in enumerate(alone) for _, reason in reasons]
        failed = [
            (int(entry["Id"]), _reason(bool(entry.get("SenderFault")), f"{entry['Code']}: {entry.get('Message', '')}"))
            for entry in answer.get("Failed", ())
        ]
        if failed:
            log.warning("publish refused entries", topic=topic, refused=len(failed), first=failed[0][1])
        return failed


def _is_refusal(error: ClientError) -> bool:
    """Whether the request itself is at fault, and not its credentials, its topic or its pace."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.startswith(("Invalid", "ParameterValue", "Validation", "BatchRequestTooLong", "MalformedInput"))


def _reason(sender_fault: bool, text: str) -> str:
    return Refusal(text) if sender_fault else text


def _batches(messages: Sequence[Outgoing]) -> Iterator[slice]:
    start = size = 0
    for index, message in enumerate(messages):
        length = len(message.body.encode()) if not message.body.isascii() else len(message.body)
        if index > start and (index - start == MAX_BATCH_ENTRIES or size + length > MAX_BATCH_BYTES):
            yield slice(start, index)
            start, size = index, 0
        size += length
    if start < len(messages):
        yield slice(start, len(messages))
