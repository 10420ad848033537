"""Values that requests of several routes hold."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainValidator, WithJsonSchema
from pydantic_core import to_json

from chassis.api.wire import WHOLE_NUMBER, PlainText, ZoneName, parse_instant
from contracts.vocabulary import Priority
from contracts.webhook import RESERVED_KEYS, WITHHELD_KEYS
from event_service.domain.local_time import GapPolicy, OverlapPolicy
from event_service.domain.templates import MAX_MESSAGE

MAX_LABEL = 200
MAX_PAYLOAD = 16_384
"""Bytes of JSON: a due event shares a message of 256 KiB with nine others."""

_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2})?", re.ASCII)
_TAKEN = RESERVED_KEYS | WITHHELD_KEYS | {"message"}


# Pydantic itself also takes Unix timestamps and offsets; this takes the one form that is documented.
def _local(value: Any) -> datetime:
    if not isinstance(value, str) or not _LOCAL.fullmatch(value):
        raise ValueError("must be a local time as YYYY-MM-DDTHH:MM or YYYY-MM-DDTHH:MM:SS, without an offset")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from None


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LEGIBLE = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"


def _legible(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters other than tabs and line feeds")
    return value


def _of_bearable_size(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if taken := _TAKEN & value.keys():
        raise ValueError(f"the key {min(taken)!r} is set by Almanac: use another one")
    return _bounded(value)


def _bounded(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if (size := len(to_json(value))) > MAX_PAYLOAD:
        raise ValueError(f"must not be longer than {MAX_PAYLOAD} bytes of JSON, it has {size}")
    return value


_WITH_OFFSET = re.compile(r".*([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_FORMS = "must be `now`, an instant like 2027-01-31T08:00:00Z, or a local time like 2027-01-31T09:00"


def _moment(value: Any) -> datetime | None:
    if value == "now":
        return None
    try:
        return parse_instant(value) if isinstance(value, str) and _WITH_OFFSET.fullmatch(value) else _local(value)
    except ValueError as error:
        if str(error).startswith("no such"):
            raise
        raise ValueError(_FORMS) from None


Moment = Annotated[
    datetime | None,
    PlainValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "format": "moment",
            "description": "`now`, an instant with its offset, or a local time without one.",
            "examples": ["now", "2027-01-31T08:00:00Z", "2027-01-31T09:00"],
        }
    ),
]
"""None is now; an instant is aware, a local time naive."""


def with_local_time_only(zone: str | None, at: datetime | None, *, given: bool) -> str | None:
    """``given``: ``at`` itself is right. Raises ValueError where a zone has nothing to say."""
    if zone is not None and given and (at is None or at.tzinfo is not None):
        raise ValueError("goes with a local time only: now and an instant are the same everywhere")
    return zone


_LOCAL_SCHEMA = WithJsonSchema({"type": "string", "format": "local-date-time", "examples": ["2027-02-28T09:00"]})
ShownLocalDateTime = Annotated[datetime, _LOCAL_SCHEMA]
"""Of replies: RFC 3339's `date-time` would have an offset."""

LocalDateTime = Annotated[datetime, BeforeValidator(_local), _LOCAL_SCHEMA]
"""A date and a wall-clock time without a zone, to the second."""

Payload = Annotated[
    dict[str, JsonValue],
    AfterValidator(_of_bearable_size),
    Field(
        description="Goes into the webhook's `data`.",
        json_schema_extra={"propertyNames": {"not": {"enum": sorted(_TAKEN)}}},
    ),
]
StoredPayload = Annotated[
    dict[str, JsonValue], AfterValidator(_bounded), Field(description="Kept with the event; it is not sent again.")
]
Template = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_MESSAGE,
        description="With placeholders like `{first_name}`, `{last_name}`, `{full_name}`.",
        json_schema_extra={"pattern": _LEGIBLE},
    ),
    AfterValidator(_legible),
]
Label = Annotated[PlainText, Field(min_length=1, max_length=MAX_LABEL, description="`{label}` in the message.")]
OwnZone = Annotated[ZoneName | None, Field(description="A fixed zone. Null: the user's, wherever that is.")]
Raised = Annotated[Priority | None, Field(description="At least as urgent as the type is.")]
Gap = Annotated[GapPolicy | None, Field(description="For a local time that a clock change leaves out.")]
Overlap = Annotated[OverlapPolicy | None, Field(description="For a local time that a clock change brings twice.")]
Grace = Annotated[int | None, Field(ge=1, le=1_209_600, description="How late an event may be fired."), WHOLE_NUMBER]
Expiry = Annotated[
    int | None,
    Field(ge=1, le=31_536_000, description="How late an event may be delivered; not less than the grace."),
    WHOLE_NUMBER,
]


IgnoreSendWindow = Annotated[
    bool, Field(strict=True, description="Sent at any time, whatever windows there are: for what is urgent.")
]
SpreadSeconds = Annotated[
    int,
    Field(
        ge=0,
        le=86_400,
        description="Spreads the events evenly over this many seconds after their time, each recipient always at"
        " the same second, inside the send window. 0: all at once.",
        examples=[600],
    ),
    WHOLE_NUMBER,
]
Messages = Annotated[
    dict[Annotated[str, Field(max_length=35)], Template],
    Field(
        max_length=50,
        description="The message in other languages, by BCP 47 tag. A user of de-AT gets that of de-AT, else that of"
        " de, else `message`.",
        examples=[{"de": "Hallo {first_name}", "pt-BR": "Oi {first_name}"}],
    ),
]


def length(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
