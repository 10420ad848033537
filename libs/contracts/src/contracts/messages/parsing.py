"""From the wire to typed messages, in one pass over the JSON."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from contracts.errors import ContractError
from contracts.messages.envelope import DomainMessage
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
