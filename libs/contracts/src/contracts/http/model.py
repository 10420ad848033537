"""The base of what crosses a service border over HTTP."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from contracts.wire import wire_name

T = TypeVar("T")


class HttpModel(BaseModel):
    """A reply, or a part of one: camelCase on the wire, immutable.

    Fields that a newer service adds are ignored, so that an older reader keeps working.
    """

    model_config = ConfigDict(
        alias_generator=wire_name, populate_by_name=True, serialize_by_alias=True, frozen=True, extra="ignore"
    )


class ListPage(HttpModel, Generic[T]):
    """One page of a list. ``next_cursor`` asks for the next; None on the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None


class Missing(HttpModel):
    """A service whose part of a reply is missing, and the reason."""

    service: str
    reason: str
