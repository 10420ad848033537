"""From the wire to typed messages, in one pass over the JSON."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from contracts.errors import ContractError
from contracts.messages.envelope import MAX_ITEMS, DomainMessage
from contracts.messages.registry import MESSAGES
from contracts.messages.spec import Item, MessageSpec


class MessageParser:
    """Knows the given message types and versions; reads ``type``, then ``dataversion``, then the items they name."""

    def __init__(self, specs: Iterable[MessageSpec]) -> None:
        versions: dict[str, dict[str, type[Item]]] = {}
        for spec in specs:
            versions.setdefault(spec.type, {})[spec.dataversion] = spec.item

        def schema(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
            def envelope(item: type[Item]) -> CoreSchema:
                return handler.generate_schema(DomainMessage.__class_getitem__(item))

            return core_schema.tagged_union_schema(
                {
                    type: core_schema.tagged_union_schema(
                        {version: envelope(item) for version, item in items.items()}, discriminator="dataversion"
                    )
                    for type, items in versions.items()
                },
                discriminator="type",
            )

        self._adapter: TypeAdapter[DomainMessage[Item]] = TypeAdapter(Annotated[Any, GetPydanticSchema(schema)])

    def __call__(self, body: str | bytes) -> DomainMessage[Item]:
        try:
            return self._adapter.validate_json(body, by_alias=True, by_name=False)
        except ValidationError as error:
            # Paths begin with the tags of the two unions.
            raise ContractError.from_validation(error, skip=2) from None


_parse = MessageParser(MESSAGES)


def parse_message(body: str | bytes) -> DomainMessage[Item]:
    """Parse a domain message. Raises ContractError with the reason: not JSON, type, dataversion or fields."""
    return _parse(body)


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """One item of a message that is not valid as a whole: a message of this item alone, or why there is none."""

    body: str
    message: DomainMessage[Item] | None
    error: ContractError | None


def parse_each(body: str | bytes) -> list[ParsedItem]:
    """Parse a message item by item, for one of which some items are valid and some are not.

    Raises ContractError, as :func:`parse_message` does, if the envelope is invalid or its items cannot be separated.
    """
    try:
        envelope = json.loads(body)
        items = envelope["data"]["items"]
    except (ValueError, TypeError, KeyError):
        parse_message(body)
        raise ContractError("the message has no items") from None
    if not isinstance(items, list) or len(items) < 2 or len(items) > MAX_ITEMS:
        parse_message(body)
        raise ContractError("the message has no list of items")
    parsed: list[ParsedItem] = []
    for item in items:
        alone = json.dumps({**envelope, "data": {**envelope["data"], "items": [item]}}, separators=(",", ":"))
        try:
            parsed.append(ParsedItem(alone, parse_message(alone), None))
        except ContractError as error:
            parsed.append(ParsedItem(alone, None, error))
    if all(each.error is not None for each in parsed) and len({str(each.error) for each in parsed}) == 1:
        # The envelope, or the same fault everywhere: one dead letter says it.
        parse_message(body)
    return parsed


def check_message(body: str | bytes) -> None:
    """Raise ContractError where no item of the message can ever be applied."""
    try:
        parse_message(body)
    except ContractError:
        if all(each.message is None for each in parse_each(body)):
            raise
