"""Cursor pagination: ``limit`` and ``cursor`` in, ``items`` and ``nextCursor`` out (docs/architecture.md#http-apis)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID
from zlib import crc32

from fastapi import Query
from pydantic import TypeAdapter

from chassis.api.wire import Instant, WireModel
from chassis.core.errors import InvalidParameterError

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`nextCursor` of the page before.", json_schema_extra={"format": "cursor"}),
]
Position = tuple[datetime, UUID]
"""Where a page ended: the last row's instant and id, the order of every list."""

_position = TypeAdapter(tuple[Instant, UUID, str])
_list: ContextVar[str] = ContextVar("almanac_list", default="")


class Page(WireModel, Generic[T]):
    """One page; ``nextCursor`` is null on the last."""

    items: list[T]
    next_cursor: str | None


def name_list(path: str) -> None:
    """Have the cursors of the current request belong to the list at this path template."""
    _list.set(crc32(path.encode()).to_bytes(4, "big").hex())


def encode_cursor(position: Position) -> str:
    """Where the next page of the current request's list begins."""
    return urlsafe_b64encode(_position.dump_json((*position, _list.get()))).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Position | None:
    """Raises InvalidParameterError where the cursor is none of ours, or one of another list."""
    if cursor is None:
        return None
    try:
        at, id, owner = _position.validate_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise InvalidParameterError("cursor", "not a cursor of this list") from None
    if owner != _list.get():
        raise InvalidParameterError("cursor", "not a cursor of this list: it comes from another one")
    return at, id


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Split ``limit + 1`` fetched rows into a page and whether there are more."""
    return rows[:limit], len(rows) > limit
