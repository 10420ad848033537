"""Anniversaries: what one may hold, and how many a user may have."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from user_service.domain.errors import (
    AnniversaryInFutureError,
    AnniversaryNotFoundError,
    TooManyAnniversariesError,
)

MAX_LABEL = 100
"""Characters, after trimming."""

MAX_ANNIVERSARIES = 20
"""Of one user: all of them travel in each of the user's messages."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a client says about an anniversary: what happened, on which day, and whether it must not be late."""

    label: str
    date: datetime.date
    important: bool = False

    def merged(self, patch: Mapping[str, Any]) -> "Occasion":
        """The occasion with the patch's values."""
        return replace(self, **patch)

    def begun_by(self, today: datetime.date, field: str = "date") -> None:
        """Refuse a day after ``today``, which is the current date in the user's own zone.

        Raises:
            AnniversaryInFutureError: it names ``field``.
        """
        if self.date > today:
            raise AnniversaryInFutureError(f"{self.date} is in the future: where the user lives it is {today}", field)


@dataclass(frozen=True, slots=True)
class Anniversary:
    """A stored occasion. Its version is its user's."""

    id: UUID
    occasion: Occasion


Anniversaries = tuple[Anniversary, ...]
"""All that a user has, in the order in which they came."""


def find(anniversaries: Sequence[Anniversary], anniversary_id: UUID) -> Anniversary:
    """Raises AnniversaryNotFoundError."""
    for each in anniversaries:
        if each.id == anniversary_id:
            return each
    raise AnniversaryNotFoundError(f"this user has no anniversary {anniversary_id}")


def added(anniversaries: Anniversaries, new: Anniversary) -> Anniversaries:
    """Raises TooManyAnniversariesError."""
    if len(anniversaries) >= MAX_ANNIVERSARIES:
        raise TooManyAnniversariesError(f"a user may have {MAX_ANNIVERSARIES} anniversaries, and this one has them")
    return (*anniversaries, new)


def replaced(anniversaries: Anniversaries, new: Anniversary) -> Anniversaries:
    """With ``new`` in the place of the one that has its id."""
    return tuple(new if each.id == new.id else each for each in anniversaries)


def without(anniversaries: Anniversaries, anniversary_id: UUID) -> Anniversaries:
    return tuple(each for each in anniversaries if each.id != anniversary_id)
