"""Domain messages for a subscriber: parsed, item by item, with the trace that each belongs to."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry.trace import Span

from chassis.messaging.consumer import Handler, ReceivedMessage, Rejection
from chassis.telemetry import tracing
from contracts.errors import ContractError
from contracts.messages.envelope import DomainMessage
from contracts.messages.parsing import parse_message
from contracts.messages.spec import Item, MessageType

POISON = "poison"


@dataclass(frozen=True, slots=True)
class ReceivedItem:
    """One item of a domain message. ``traceparent`` is what work on it continues.

    ``sent_at`` is the message's time, by its publisher's clock; what came without a message is of now.
    """

    type: MessageType
    item: Item
    traceparent: str | None
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def item_id(self) -> UUID:
        return self.item.item_id


def domain_handler(queue: str, apply: Callable[[Sequence[ReceivedItem]], Awaitable[None]]) -> Handler:
    """A handler that parses messages and hands ``apply`` all their items at once; what does not parse is rejected.

    ``apply`` deduplicates by item in its own transaction (:mod:`chassis.inbox`).
    """

    async def handle(messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]:
        items: list[ReceivedItem] = []
        rejections: list[Rejection] = []
        for message in messages:
            try:
                parsed = parse_message(message.body)
            except ContractError as error:
                rejections.append(Rejection(message, POISON, str(error)))
            else:
                items.extend(_items(message, parsed))
        if items:
            with _process_spans(queue, items) as traced:
                await apply(traced)
        return rejections

    return handle


def _items(message: ReceivedMessage, parsed: DomainMessage[Item]) -> Iterator[ReceivedItem]:
    # Alone in its message, an item's publication is part of its trace; packed with others, only its own context is.
    alone = (message.traceparent or parsed.traceparent) if len(parsed.items) == 1 else None
    for item in parsed.items:
        yield ReceivedItem(parsed.type, item, alone or item.traceparent, parsed.time)


@contextmanager
def _process_spans(queue: str, items: Sequence[ReceivedItem]) -> Iterator[Sequence[ReceivedItem]]:
    if not tracing.recording():
        yield items
        return
    spans = [_process_span(queue, item) for item in items]
    try:
        yield [replace(item, traceparent=tracing.traceparent_of(span)) for item, span in zip(items, spans, strict=True)]
    except Exception as error:
        for span in spans:
            span.record_exception(error)
            tracing.fail(span, repr(error))
        raise
    finally:
        for span in spans:
            span.end()


def _process_span(queue: str, received: ReceivedItem) -> Span:
    attributes = {"almanac.message.type": received.type.value, "almanac.item.id": str(received.item_id)}
    if event_id := getattr(received.item, "event_id", None):
        attributes["event.id"] = str(event_id)
    return tracing.start_process(queue, parent=received.traceparent, attributes=attributes)
