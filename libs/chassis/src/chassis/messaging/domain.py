"""Domain messages for a subscriber: parsed, item by item, with the trace that each belongs to."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry.trace import Span

from chassis.database.database import is_outage
from chassis.messaging.consumer import Handler, ReceivedMessage, Rejection
from chassis.telemetry import tracing
from chassis.telemetry.redaction import describe
from contracts.errors import ContractError
from contracts.messages.envelope import DomainMessage
from contracts.messages.parsing import parse_each, parse_message
from contracts.messages.spec import Item, MessageType

POISON = "poison"
NOT_APPLIED = "not_applied"
APPLY_RECEIVES = 3
"""With this receive of its message an item that cannot be applied becomes a dead letter."""


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
    """A handler that parses messages and hands ``apply`` all their items at once; an unparsable message is rejected.

    Both item by item, where a message has several: the good ones are applied, and each bad one is a dead letter of its
    own. An item that raises is tried with the first two receives of its message and rejected with the third.
    ``apply`` deduplicates by item in its own transaction (:mod:`chassis.database.inbox`).
    """

    async def handle(messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]:
        items: list[ReceivedItem] = []
        rejections: list[Rejection] = []
        for message in messages:
            try:
                parsed = parse_message(message.body)
            except ContractError as error:
                good, bad = _told_apart(message, error)
                items.extend(good)
                rejections.extend(bad)
            else:
                items.extend(_items(message, parsed))
        if items:
            with _process_spans(queue, items) as traced:
                try:
                    await apply(traced)
                except Exception as error:
                    # The consumer comes again with each message of a batch alone.
                    if is_outage(error) or len(messages) > 1 or len(traced) == 1:
                        raise
                    rejections.extend(await _apply_each(messages[0], traced, apply))
        return rejections

    return handle


def _told_apart(message: ReceivedMessage, error: ContractError) -> tuple[list[ReceivedItem], list[Rejection]]:
    """The items of a message that parse, and a rejection for each of the others."""
    try:
        each = parse_each(message.body)
    except ContractError:
        return [], [Rejection(message, POISON, str(error))]
    items: list[ReceivedItem] = []
    rejections: list[Rejection] = []
    for number, one in enumerate(each):
        if one.message is None:
            rejections.append(Rejection(_of_item(message, number, one.body), POISON, str(one.error)))
        else:
            items.extend(_items(replace(message, attributes=_untraced(message)), one.message))
    return items, rejections


def _of_item(message: ReceivedMessage, number: int, body: str) -> ReceivedMessage:
    """A message of one item, for a dead letter of its own."""
    return replace(message, message_id=f"{message.message_id}/{number}", body=body)


def _untraced(message: ReceivedMessage) -> dict[str, str]:
    # The message's context is that of all its items, and so of none.
    return {name: value for name, value in message.attributes.items() if name != "traceparent"}


async def _apply_each(
    message: ReceivedMessage,
    items: Sequence[ReceivedItem],
    apply: Callable[[Sequence[ReceivedItem]], Awaitable[None]],
) -> list[Rejection]:
    """Apply items alone. Raises the first error while the message has receives left, or in an outage."""
    failed: list[tuple[int, Exception]] = []
    for number, item in enumerate(items):
        try:
            await apply([item])
        except Exception as error:
            if is_outage(error):
                raise
            failed.append((number, error))
    if failed and message.receive_count < APPLY_RECEIVES:
        raise failed[0][1]
    return [
        Rejection(_of_item(message, number, _alone(message, items[number])), NOT_APPLIED, describe(error))
        for number, error in failed
    ]


def _alone(message: ReceivedMessage, item: ReceivedItem) -> str:
    """The message's body with this item alone."""
    for one in parse_each(message.body):
        if one.message is not None and one.message.items[0].item_id == item.item_id:
            return one.body
    return message.body


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
