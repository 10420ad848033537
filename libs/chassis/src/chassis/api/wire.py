"""Base of request and reply models: camelCase JSON, unknown fields refused, text without control characters."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from chassis.zones import TZDATA_VERSION, is_zone
from contracts.wire import wire_name


class WireModel(BaseModel):
    """A reply, or a part of one."""

    model_config = ConfigDict(alias_generator=wire_name, populate_by_name=True, serialize_by_alias=True)


class RequestModel(WireModel):
    """A request's body. A field that we do not know is an error: silence would hide a typing mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


NOT_SENT: Any = None
"""The default of a :class:`PatchModel`'s fields. A field's type alone says whether null is allowed."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class PatchModel(RequestModel):
    """A partial update (RFC 7396): a field that is absent stays as it is; null clears what may be empty.

    Declare fields as ``name: Name = NOT_SENT`` or ``email: Email | None = NOT_SENT``, and read :meth:`changes` alone.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The fields that the client sent, by their Python names."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="after")
    def _not_empty(self) -> "PatchModel":
        if not self.model_fields_set:
            raise ValueError("nothing to change: send at least one field")
        return self


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _plain(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value.strip()


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text of one line, trimmed, without control characters. Add length bounds after it."""


def _zone_name(value: str) -> str:
    if not is_zone(value):
        raise ValueError(
            f"not a zone of the IANA database {TZDATA_VERSION}; names look like Europe/Berlin, case matters"
        )
    return value


ZoneName = Annotated[str, AfterValidator(_zone_name), Field(examples=["Europe/Berlin"])]
"""The name of a time zone, spelled exactly as the IANA database does."""
