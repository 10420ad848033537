"""The envelope of domain messages: CloudEvents 1.0, structured JSON, around items (docs/architecture.md#contracts)."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import Field

from contracts.errors import ContractError
from contracts.messages.registry import find_spec
from contracts.messages.spec import Item, MessageType
from contracts.trace import trace_fields
from contracts.vocabulary import Service
from contracts.wire import UtcInstant, WireModel

MAX_ITEMS: Final = 100
MAX_MESSAGE_BYTES: Final = 200 * 1024
ENVELOPE_BYTES: Final = 4 * 1024
"""Kept free for what surrounds the items: a tracestate of which JSON has to escape every character fits."""
MAX_ITEM_BYTES: Final = MAX_MESSAGE_BYTES - ENVELOPE_BYTES

ItemT = TypeVar("ItemT", bound=Item, covariant=True)


class Items(WireModel, Generic[ItemT]):
    items: Annotated[list[ItemT], Field(min_length=1, max_length=MAX_ITEMS)]


class DomainMessage(WireModel, Generic[ItemT]):
    """A parsed message; type and dataversion say what its items are."""

    specversion: Literal["1.0"]
    id: UUID
    source: Service
    type: MessageType
    time: UtcInstant
    traceparent: str | None = Field(default=None, exclude_if=lambda value: value is None)
    tracestate: str | None = Field(default=None, exclude_if=lambda value: value is None)
    dataversion: str
    data: Items[ItemT]

    @property
    def items(self) -> Sequence[ItemT]:
        return self.data.items


def encode_item(item: Item) -> str:
    """An item as an outbox row keeps it. Raises ContractError if no message could hold it."""
    encoded = item.model_dump_json()
    if (size := _size(encoded)) > MAX_ITEM_BYTES:
        raise ContractError(f"an item of {size} bytes; at most {MAX_ITEM_BYTES} fit a message")
    return encoded


def pack_items(item_jsons: Sequence[str | bytes]) -> Iterator[slice]:
    """Cut encoded items into as few messages as their order allows; each slice of the input is one message.

    Raises ContractError for an item that fits none; ``encode_item`` lets no such item come into being.
    """
    start = size = 0
    for index, item in enumerate(item_jsons):
        length = _size(item)
        if length > MAX_ITEM_BYTES:
            raise ContractError(f"item {index} has {length} bytes; at most {MAX_ITEM_BYTES} fit a message")
        # One more for the comma between two items.
        if index > start and (index - start == MAX_ITEMS or size + 1 + length > MAX_ITEM_BYTES):
            yield slice(start, index)
            start, size = index, 0
        size += length + (index > start)
    if item_jsons:
        yield slice(start, len(item_jsons))


def encode_envelope(
    type: MessageType,
    item_jsons: Sequence[str | bytes],
    id: UUID,
    time: datetime,
    traceparent: str | None = None,
    tracestate: str | None = None,
    *,
    dataversion: str | None = None,
) -> str:
    """Put one slice of ``pack_items`` into its envelope, the items' text as it is.

    ``dataversion`` is the one under which the items were written, by default the current one.
    Raises ContractError if it is unknown or a limit is exceeded.
    """
    spec = find_spec(type, dataversion)
    if not 1 <= len(item_jsons) <= MAX_ITEMS:
        raise ContractError(f"{len(item_jsons)} items; a message holds 1 to {MAX_ITEMS}")
    header = {
        "specversion": "1.0",
        "id": str(id),
        "source": spec.source,
        "type": spec.type,
        "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        **trace_fields(traceparent, tracestate),
        "dataversion": spec.dataversion,
    }
    items = ",".join(item if isinstance(item, str) else item.decode() for item in item_jsons)
    message = f'{json.dumps(header, separators=(",", ":"))[:-1]},"data":{{"items":[{items}]}}}}'
    if (size := _size(message)) > MAX_MESSAGE_BYTES:
        raise ContractError(f"a message of {size} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
    return message


def _size(text: str | bytes) -> int:
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())
