"""Values that requests of several routes hold."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema
from pydantic_core import to_json

from contracts.webhook import RESERVED_KEYS, WITHHELD_KEYS

MAX_MESSAGE = 2000
MAX_PAYLOAD = 16_384
"""Bytes of JSON: a due event shares a message of 256 KiB with nine others."""

_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?", re.ASCII)
_TAKEN = RESERVED_KEYS | WITHHELD_KEYS | {"message"}


# Pydantic itself also takes Unix timestamps and offsets; this takes the one form that is documented.
def _local(value: Any) -> datetime:
    if not isinstance(value, str) or not _LOCAL.fullmatch(value):
        raise ValueError("must be a local time as YYYY-MM-DDTHH:MM or YYYY-MM-DDTHH:MM:SS, without an offset")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from None


def _of_bearable_size(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if taken := _TAKEN & value.keys():
        raise ValueError(f"the key {min(taken)!r} is set by Almanac: use another one")
    if (size := len(to_json(value))) > MAX_PAYLOAD:
        raise ValueError(f"must not be longer than {MAX_PAYLOAD} bytes of JSON, it has {size}")
    return value


LocalDateTime = Annotated[
    datetime,
    BeforeValidator(_local),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$"}),
]
"""A date and a wall-clock time without a zone, to the second."""

Payload = Annotated[
    dict[str, JsonValue], AfterValidator(_of_bearable_size), Field(description="Goes into the webhook's `data`.")
]
Template = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_MESSAGE,
        description="With placeholders like `{first_name}`, `{last_name}`, `{full_name}`.",
    ),
]
