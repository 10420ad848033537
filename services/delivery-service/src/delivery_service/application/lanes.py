"""What a pool knows of each endpoint: how soon it answers, and its deliveries there."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class Pace(Enum):
    """How soon an endpoint answers, as far as this process knows."""

    NEW = "new"
    QUICK = "quick"
    SLOW = "slow"


@dataclass(slots=True)
class Endpoint:
    """The pace of an endpoint. ``used_seconds``: time of slots that it used, or was not there to use."""

    version: int
    pace: Pace
    limit: int = 1
    used_seconds: float = 0.0


@dataclass(slots=True)
class Lane(Generic[T]):
    """The deliveries of an endpoint in the pool. ``overdue`` counts attempts that have taken longer than half a
    second."""

    cap: int | None
    waiting: deque[tuple[int, T]] = field(default_factory=deque)
    in_flight: int = 0
    overdue: int = 0

    @property
    def held(self) -> int:
        return self.in_flight + len(self.waiting)


@dataclass(slots=True, eq=False)
class Slot:
    """A slot that an attempt holds from its begin to :meth:`.Bulkheads.ended`."""

    endpoint_id: UUID
    version: int
    began: float
    quick: bool
    weight: int
    overdue: bool = False
    ended: bool = False
