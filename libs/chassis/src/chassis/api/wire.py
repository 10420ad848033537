"""Base of request and reply models: camelCase JSON, unknown fields refused, text without control characters."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from chassis.api.fault_limits import limit_faults
from chassis.core.zones import TZDATA_VERSION, is_zone
from contracts.wire import wire_name


class WireModel(BaseModel):
    """A reply, or a part of one."""

    model_config = ConfigDict(alias_generator=wire_name, populate_by_name=True, serialize_by_alias=True)


class RequestModel(WireModel):
    """A request's body. A field that we do not know is an error: silence would hide a typing mistake.

    However long the body, it has few faults: see :mod:`chassis.api.fault_limits`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        limit_faults(handler.resolve_ref_schema(schema), cls)
        return schema


NOT_SENT: Any = None
"""The default of a :class:`PatchModel`'s fields. A field's type alone says whether null is allowed."""


def _as_patch(schema: dict[str, Any]) -> None:
    schema["minProperties"] = 1
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class PatchModel(RequestModel):
    """A partial update (RFC 7396): a field that is absent stays as it is; null clears an optional field.

    Declare fields as ``name: Name = NOT_SENT`` or ``email: Email | None = NOT_SENT``, and read :meth:`changes` alone.
    """

    model_config = ConfigDict(json_schema_extra=_as_patch)

    def changes(self) -> dict[str, Any]:
        """The fields that the client sent, by their Python names."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="after")
    def _not_empty(self) -> "PatchModel":
        if not self.model_fields_set:
            raise ValueError("nothing to change: send at least one field")
        return self


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNWANTED = {
    **dict.fromkeys((0x2028, 0x2029), "breaks the line"),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "changes the direction of what follows"),
    **dict.fromkeys(range(0xFDD0, 0xFDF0), "is no character of Unicode"),
    **dict.fromkeys(
        (plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)), "is no character of Unicode"
    ),
}
_UNWANTED_ANYWHERE = re.compile(f"[{''.join(map(chr, _UNWANTED))}]")
_HIDDEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
"""Characters that show nothing, though some are letters by their category."""
_INVISIBLE = re.compile(rf"[\s{_HIDDEN}\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+")
_REFUSED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff"
_PLAIN = rf"^([^{_REFUSED}]*[^\s{_REFUSED}{_HIDDEN}][^{_REFUSED}]*)?$"


def _plain(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    if not value.isascii():
        if found := _UNWANTED_ANYWHERE.search(value):
            number = ord(found[0])
            raise ValueError(f"must not contain the character U+{number:04X}, which {_UNWANTED[number]}")
        value = unicodedata.normalize("NFC", value)
        if not value.isspace() and _INVISIBLE.fullmatch(value):
            raise ValueError("must have a visible character")
    if value.isspace():
        raise ValueError("must not be blank")
    return value.strip()


PlainText = Annotated[str, AfterValidator(_plain), Field(json_schema_extra={"pattern": _PLAIN})]
"""Text of one line, trimmed and in NFC, with something to see. Add length bounds after it.

Refused are control characters, line separators, what turns the direction of text around, and noncharacters."""


def _path_segment(value: str) -> str:
    if value in (".", ".."):
        raise ValueError("must not be . or .., which clients remove from a URL's path")
    return value


PathText = Annotated[
    PlainText, AfterValidator(_path_segment), Field(json_schema_extra={"not": {"enum": [".", ".."]}, "pattern": _PLAIN})
]
"""Plain text that names a resource in the path of a URL (RFC 3986, section 5.2.4). Add length bounds after it."""


def _number(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError("must be an integer")
    return value


WHOLE_NUMBER = BeforeValidator(_number)
"""For an int as JSON has it: 23.0 is one, "23" and true are not. Add it after the bounds."""


def _zone_name(value: str) -> str:
    if not is_zone(value):
        raise ValueError(
            f"not a zone of the IANA database {TZDATA_VERSION}; names look like Europe/Berlin, case matters"
        )
    return value


ZoneName = Annotated[
    str, AfterValidator(_zone_name), Field(examples=["Europe/Berlin"], json_schema_extra={"format": "time-zone"})
]
"""The name of a time zone, spelled exactly as the IANA database does."""

_AWARE = TypeAdapter(AwareDatetime)


def parse_instant(text: str) -> datetime:
    """An instant in the form of RFC 3339, in UTC. T and Z may be in lower case (§5.6); seconds may be left out.

    Raises:
        ValueError: the text has another form, or no such instant exists.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError("must be an instant with an offset, like 2027-02-28T09:00:00Z (RFC 3339)")
    try:
        return _AWARE.validate_python(text).astimezone(UTC)
    except (ValidationError, OverflowError):
        raise ValueError(f"no such instant: {text}") from None


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_YEARS = range(1900, 9000)


# Pydantic itself also takes Unix timestamps; this takes the one form that is documented.
def _rfc3339(value: Any) -> Any:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _INSTANT.fullmatch(value)):
        raise ValueError("must be an instant with an offset, like 2027-02-28T09:00:00Z (RFC 3339)")
    return value


def _in_range(value: datetime) -> datetime:
    # What lies at the ends of the calendar overflows as soon as a zone or a period is added to it.
    if value.year not in _YEARS:
        raise ValueError(f"must be in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return value.astimezone(UTC)


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_in_range),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "^(19|[2-8][0-9])[0-9]{2}-"}),
]
"""An instant that a client sends: RFC 3339 with an offset. it is converted to UTC."""
