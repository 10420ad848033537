"""How values look on the wire: camelCase keys, UTC instants, local times of whole seconds."""

from datetime import UTC, datetime, time
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


def wire_name(field: str) -> str:
    """``target_timestamp_utc`` → ``targetTimestampUTC``."""
    return to_camel(field).replace("Utc", "UTC")


class WireModel(BaseModel):
    """Strict about types, tolerant of keys it does not know (a newer publisher may add some), immutable."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        strict=True,
        extra="ignore",
        frozen=True,
    )


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _wall_clock(value: time) -> time:
    if value.tzinfo is not None or value.microsecond:
        raise PydanticCustomError("local_time", "Input should be a local time of whole seconds, HH:MM or HH:MM:SS")
    return value


UtcInstant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An instant; any offset is accepted, UTC is stored and written (RFC 3339 with ``Z``)."""

LocalTime = Annotated[
    time,
    AfterValidator(_wall_clock),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]
"""A wall-clock time without a zone."""

Text = Annotated[str, Field(min_length=1)]
"""A string that says something."""
