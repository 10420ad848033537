"""Consumes SQS: receivers fill a short buffer, handlers take it in batches (docs/architecture.md#reliability-rules).

While a handler works on a batch further messages gather, so that a busy queue is handled in large batches and an idle
one at once. A message is deleted only after its handler has returned; when it raises, the message stays and comes back
after its visibility timeout.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog
from opentelemetry import metrics

from chassis.core.lifecycle import first_of, pause
from chassis.database.database import is_outage
from chassis.messaging.bus import BUS_ERRORS, LONG_POLL_SECONDS, Bus
from chassis.telemetry import tracing
from contracts.topology import DeadLetterQueue, Queue

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

log = structlog.get_logger(__name__)
meter = metrics.get_meter("almanac.consumer")
_received = meter.create_counter("almanac_queue_received", description="Messages received, by queue")
_deleted = meter.create_counter("almanac_queue_deleted", description="Messages deleted after their effect, by queue")
_rejected = meter.create_counter("almanac_queue_rejected", description="Messages that became dead letters, by queue")
_errors = meter.create_counter("almanac_consumer_errors", description="Batches whose handler raised, by queue")
_duration = meter.create_histogram("almanac_consumer_batch_duration", unit="s", description="Time to handle a batch")

BATCH_BYTES = 512 * 1024
"""What the bodies of a handler's batch weigh at most. A message may hold a hundred items, and each becomes many
times as much in objects, rows and parameters while it is applied: memory follows this, not how busy the queue is."""
STOP_RECEIVING_SECONDS = 1.0
"""How long a receive in progress may take once stopping; what it would still bring comes back after its visibility."""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as SQS handed it over. ``received_at`` is monotonic; ``sent_at`` is SQS's epoch seconds."""

    message_id: str
    body: str
    attributes: Mapping[str, str]
    receipt_handle: str
    receive_count: int
    sent_at: float
    received_at: float = field(default_factory=time.monotonic)

    @property
    def traceparent(self) -> str | None:
        return self.attributes.get("traceparent")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that can never be applied. ``reason`` is a word to search by, ``detail`` a sentence for a reader."""

    message: ReceivedMessage
    reason: str
    detail: str


class Handler(Protocol):
    """Applies messages durably. Returns those to be kept as dead letters; all the others are done and get deleted.

    Raising leaves the whole batch on the queue.
    """

    async def __call__(self, messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]: ...


class QueueConsumer:
    """A role that works on one queue.

    Args:
        reject: stores rejections durably, before their messages are deleted.
        gate: awaited before each receive; it returns when there is room for more work and the database is there.
        receivers: receives in flight. handlers: batches being handled.
        max_batch: messages that a handler takes at most.
        max_batch_bytes: what their bodies weigh at most; a single message may weigh more.
    """

    def __init__(
        self,
        bus: Bus,
        queue: Queue | DeadLetterQueue,
        handler: Handler,
        *,
        reject: Callable[[Sequence[Rejection]], Awaitable[None]],
        gate: Callable[[], Awaitable[None]],
        receivers: int = 1,
        handlers: int = 2,
        max_batch: int = 50,
        max_batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self.name = f"consumer:{queue.name}"
        self._bus = bus
        self._queue = queue.name
        self._handler = handler
        self._reject = reject
        self._gate = gate
        self._receivers = receivers
        self._handlers = handlers
        self._max_batch = max_batch
        self._max_bytes = max_batch_bytes
        self._receive_size = min(10, queue.receive_batch) if isinstance(queue, Queue) else 10
        self._buffer: deque[ReceivedMessage] = deque()
        self._buffered_bytes = 0
        self._changed = asyncio.Condition()
        self._receiving = 0
        self.reached: float | None = None
        """Messages sent before this (epoch seconds) have been received: see :mod:`chassis.messaging.queue_progress`."""
        # A counter that began with its first error would not look increased by it.
        _errors.add(0, {"queue": self._queue})

    async def run(self, stopping: asyncio.Event) -> None:
        self._receiving = self._receivers
        await asyncio.gather(
            *(self._receive_until(stopping) for _ in range(self._receivers)),
            *(self._handle_until_drained() for _ in range(self._handlers)),
        )

    async def _receive_until(self, stopping: asyncio.Event) -> None:
        failures = 0
        try:
            while not stopping.is_set():
                await first_of(self._room(), stopping.wait())
                if stopping.is_set():
                    return
                receive = asyncio.ensure_future(self.receive())
                try:
                    await first_of(asyncio.shield(receive), stopping.wait())
                    messages = await asyncio.wait_for(receive, STOP_RECEIVING_SECONDS if stopping.is_set() else None)
                except BUS_ERRORS as error:
                    if stopping.is_set():
                        return
                    failures += 1
                    delay = min(5.0, 0.1 * 2**failures) * random.uniform(0.5, 1.0)
                    log.warning("receive failed", queue=self._queue, error=repr(error), retry_in=round(delay, 2))
                    await pause(stopping, delay)
                    continue
                failures = 0
                async with self._changed:
                    self._buffer.extend(messages)
                    self._buffered_bytes += sum(len(message.body) for message in messages)
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._receiving -= 1
                self._changed.notify_all()

    async def _room(self) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self._buffer) < self._max_batch and self._buffered_bytes < self._max_bytes
            )
        await self._gate()

    async def receive(self) -> list[ReceivedMessage]:
        """One long poll. Raises one of ``BUS_ERRORS`` if the bus is unreachable or the queue is missing."""
        url = await self._bus.queue_url(self._queue)
        answer = await self._bus.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=self._receive_size,
            WaitTimeSeconds=LONG_POLL_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        messages = [_parse(message) for message in answer.get("Messages", ())]
        self.reached = min((message.sent_at for message in messages), default=time.time())
        if messages:
            _received.add(len(messages), {"queue": self._queue})
            tracing.record_receive(self._queue, [message.traceparent for message in messages])
        return messages

    async def _handle_until_drained(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._buffer) or not self._receiving)
                if not self._buffer:
                    return
                batch = self._next_batch()
                self._changed.notify_all()
            await self._handle(batch)

    def _next_batch(self) -> list[ReceivedMessage]:
        batch: list[ReceivedMessage] = []
        taken = 0
        while self._buffer and len(batch) < self._max_batch:
            taken += len(self._buffer[0].body)
            if batch and taken > self._max_bytes:
                break
            batch.append(self._buffer.popleft())
        self._buffered_bytes -= sum(len(message.body) for message in batch)
        return batch

    async def _handle(self, batch: Sequence[ReceivedMessage]) -> None:
        started = time.monotonic()
        try:
            await self._apply(batch)
        except Exception as error:
            _errors.add(1, {"queue": self._queue})
            if len(batch) > 1 and not is_outage(error):
                # One of them may be the only one at fault: alone, it cannot hold up the others.
                log.warning(
                    "batch failed; message by message", queue=self._queue, messages=len(batch), error=repr(error)
                )
                for message in batch:
                    await self._handle([message])
                return
            log.exception(
                "messages left on the queue", queue=self._queue, message_ids=[message.message_id for message in batch]
            )
        finally:
            _duration.record(time.monotonic() - started, {"queue": self._queue})

    async def _apply(self, batch: Sequence[ReceivedMessage]) -> None:
        rejections = await self._handler(batch)
        if rejections:
            await self._reject(rejections)
            _rejected.add(len(rejections), {"queue": self._queue})
            for rejection in rejections:
                log.error(
                    "message rejected",
                    queue=self._queue,
                    message_id=rejection.message.message_id,
                    reason=rejection.reason,
                    detail=rejection.detail,
                )
        await self._delete(batch)

    async def _delete(self, messages: Sequence[ReceivedMessage]) -> None:
        url = await self._bus.queue_url(self._queue)

        async def delete(part: Sequence[ReceivedMessage]) -> None:
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": str(index), "ReceiptHandle": message.receipt_handle} for index, message in enumerate(part)
            ]
            try:
                answer = await self._bus.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            except BUS_ERRORS as error:
                # Their effect is committed. They come back and are recognised.
                log.warning("delete failed", queue=self._queue, messages=len(part), error=repr(error))
                return
            failed = answer.get("Failed", ())
            _deleted.add(len(part) - len(failed), {"queue": self._queue})
            if failed:
                log.warning("delete refused entries", queue=self._queue, refused=len(failed), first=failed[0])

        await asyncio.gather(*(delete(messages[start : start + 10]) for start in range(0, len(messages), 10)))


def _parse(message: "MessageTypeDef") -> ReceivedMessage:
    system = message.get("Attributes", {})
    return ReceivedMessage(
        message_id=message["MessageId"],
        body=message["Body"],
        attributes={
            name: value["StringValue"]
            for name, value in message.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
        receipt_handle=message["ReceiptHandle"],
        receive_count=int(system.get("ApproximateReceiveCount", "1")),
        sent_at=int(system.get("SentTimestamp", "0")) / 1000,
    )
