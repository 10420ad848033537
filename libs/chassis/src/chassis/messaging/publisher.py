"""Publishing to SNS in batches, several in flight (docs/architecture.md#the-claim)."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import ClientError
from opentelemetry import metrics

from chassis.messaging.bus import BUS_ERRORS, Bus
from chassis.messaging.certainty import certainty, may_have_taken_effect
from contracts.attributes import check_attributes

if TYPE_CHECKING:
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef

log = structlog.get_logger(__name__)
_meter = metrics.get_meter("almanac.bus")
_published = _meter.create_counter("almanac_messages_published", description="Messages that SNS accepted, by topic")
_failed = _meter.create_counter("almanac_messages_not_published", description="Messages that it did not, by topic")

MAX_BATCH_ENTRIES = 10
MAX_BATCH_BYTES = 256 * 1024 - 4096  # SNS counts attributes too; they stay far below the margin
_NO_ANSWER = "no answer before the deadline"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message: its body and its string attributes."""

    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """Why SNS is not known to have accepted a message.

    ``maybe``: it got no clear answer, so it may have been accepted. ``refused``: SNS refused the message itself, so the
    same message again gets the same answer.
    """

    reason: str
    maybe: bool = False
    refused: bool = False

    def __str__(self) -> str:
        return self.reason


class Publisher:
    """Publishes to the topics of a bus. At most ``in_flight`` calls at a time over the whole process."""

    def __init__(self, bus: Bus, *, in_flight: int = 8) -> None:
        self._bus = bus
        self._slots = asyncio.Semaphore(in_flight)

    async def publish(
        self, topic: str, messages: Sequence[Outgoing], *, deadline: float | None = None
    ) -> list[NotAccepted | None]:
        """Publish ``messages`` and return, for each, None where SNS accepted it or the reason why it did not.

        Never raises for what the bus does: a failed call is a reason for each of its entries. A call that SNS refuses
        is made again message by message. A message whose call got no answer may have been accepted,
        so a resend relies on the receiver's deduplication.

        Args:
            deadline: by ``time.monotonic()``. No call starts after it, and one in progress is abandoned then.

        Raises:
            ContractError: a message has more attributes than survive, or an empty one.
        """
        for message in messages:
            check_attributes(message.attributes)
        results: list[NotAccepted | None] = [None] * len(messages)

        async def send(batch: slice) -> None:
            for index, reason in await self._send(topic, messages[batch], deadline):
                results[batch.start + index] = reason

        await asyncio.gather(*(send(batch) for batch in _batches(messages)))
        if accepted := results.count(None):
            _published.add(accepted, {"topic": topic})
        if accepted < len(messages):
            _failed.add(len(messages) - accepted, {"topic": topic})
        return results

    async def _send(
        self, topic: str, messages: Sequence[Outgoing], deadline: float | None
    ) -> list[tuple[int, NotAccepted]]:
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
        started, answer, refused = False, None, None
        with certainty() as known:
            try:
                async with asyncio.timeout(_left(deadline)), self._slots:
                    _require_time(deadline)
                    started = True
                    answer = await self._bus.sns.publish_batch(
                        TopicArn=self._bus.topic_arn(topic), PublishBatchRequestEntries=entries
                    )
            except BUS_ERRORS as error:
                # What botocore raises by itself, and our own timeout, end an attempt that was not noted.
                unanswered = not isinstance(error, ClientError) and may_have_taken_effect(error)
                maybe = started and (known.may_have_taken_effect or unanswered)
                if maybe or not isinstance(error, ClientError) or not _is_refusal(error):
                    log.warning("publish failed", topic=topic, messages=len(messages), maybe=maybe, error=repr(error))
                    reason = NotAccepted(str(error) or _NO_ANSWER, maybe)
                    return [(index, reason) for index in range(len(messages))]
                refused = error
        if refused is not None or answer is None:
            if len(messages) == 1:
                log.warning("publish refused", topic=topic, error=repr(refused))
                return [(0, NotAccepted(str(refused), refused=True))]
            alone = await asyncio.gather(*(self._send(topic, [message], deadline) for message in messages))
            return [(index, reason) for index, reasons in enumerate(alone) for _, reason in reasons]
        failed = [
            (
                int(entry["Id"]),
                NotAccepted(f"{entry['Code']}: {entry.get('Message', '')}", refused=bool(entry.get("SenderFault"))),
            )
            for entry in answer.get("Failed", ())
        ]
        if failed:
            log.warning("publish refused entries", topic=topic, refused=len(failed), first=str(failed[0][1]))
        return failed


def _is_refusal(error: ClientError) -> bool:
    """Whether the request itself is at fault, and not its credentials, its topic or its pace."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.startswith(("Invalid", "ParameterValue", "Validation", "BatchRequestTooLong", "MalformedInput"))


def _left(deadline: float | None) -> float | None:
    """Seconds until the deadline, at least 0; None where there is none."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _require_time(deadline: float | None) -> None:
    if _left(deadline) == 0.0:
        raise TimeoutError("the deadline of the publication had passed")


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
