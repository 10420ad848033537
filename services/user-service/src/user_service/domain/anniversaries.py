"""Anniversaries: what one may hold, and how many a user may have."""

import datetime
from collections.abc import Callable, Mapping, Sequence
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


def brought_to(
    have: Anniversaries, occasions: Sequence[Occasion], new_id: Callable[[], UUID], *, labels: frozenset[str] | None
) -> Anniversaries:
    """The anniversaries of a user after a client has listed its ``occasions``.

    One that is listed as it is keeps its id, and so does one with the same label: its events stay the same occurrences.
    With ``labels`` the client speaks of those alone, and not of how important they are.

    Raises:
        TooManyAnniversariesError
    """
    kept = [] if labels is None else [each for each in have if each.occasion.label not in labels]
    left = [each for each in have if each not in kept]
    found: list[Anniversary] = []
    for occasion in occasions:
        same = next((each for each in left if each.occasion == occasion), None) or next(
            (each for each in left if each.occasion.label == occasion.label), None
        )
        if same is None:
            found.append(Anniversary(new_id(), occasion))
            continue
        left.remove(same)
        important = occasion.important if labels is None else same.occasion.important
        found.append(replace(same, occasion=replace(occasion, important=important)))
    after = (*kept, *found)
    if len(after) > MAX_ANNIVERSARIES:
        raise TooManyAnniversariesError(f"limit of {MAX_ANNIVERSARIES} anniversaries exceeded: {len(after)}")
    # The order in which they came, so that what changes nothing is seen to change nothing.
    places = {each.id: place for place, each in enumerate(have)}
    return tuple(sorted(after, key=lambda each: places.get(each.id, len(places))))


def without(anniversaries: Anniversaries, anniversary_id: UUID) -> Anniversaries:
    return tuple(each for each in anniversaries if each.id != anniversary_id)
