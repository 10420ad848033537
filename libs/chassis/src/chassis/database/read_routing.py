"""How a reader wants to be answered: as of a moment ago, which spares the primary, or as of now."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from chassis.database.database import Database, Reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reads:
    """A request's way to the database. ``fresh``: it wants to see all that was committed, its own writes included."""

    database: Database
    fresh: bool = False

    def open(self) -> AbstractAsyncContextManager[Reader]:
        """Queries on the primary where fresh, else wherever :meth:`Database.read_stale` has them answered."""
        return self.database.read() if self.fresh else self.database.read_stale()

    async def find(self, look: Callable[[Reader], Awaitable[T]]) -> T:
        """What ``look`` finds. Where that is nothing (None, or empty) it may be newer than the replica, so the primary
        is asked as well: what has just been created is there.
        """
        async with self.open() as reader:
            found = await look(reader)
        if not found and not self.fresh and self.database.replica is not None:
            async with self.database.read() as connection:
                found = await look(connection)
        return found
