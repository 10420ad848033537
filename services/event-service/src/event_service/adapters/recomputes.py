"""Records of recomputes: how a new release of zone rules or of public holidays moved pending events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text

from chassis.database.database import Database, Transaction

MOST_EXAMPLES = 20
"""Moved events that a record names, of each zone or calendar; all are counted."""


@dataclass(frozen=True, slots=True)
class Move:
    """An event that moved, and the instants that it had and has."""

    event_id: UUID
    before: datetime
    after: datetime


@dataclass(slots=True)
class Shifts:
    """What a new release did to the waiting events of a zone or calendar.

    ``replaced`` were replaced by another occurrence, or by none: the new release leaves their local time out.
    ``least`` and ``greatest`` are by how much the moved ones moved; later is positive. ``examples`` are the first that
    moved.
    """

    examined: int = 0
    moved: int = 0
    replaced: int = 0
    least: timedelta | None = None
    greatest: timedelta | None = None
    examples: list[Move] = field(default_factory=list)

    def add(self, move: Move) -> None:
        """Count one that moved."""
        self.moved += 1
        self._widen(move.after - move.before)
        self._show(move)

    def merge(self, other: "Shifts") -> None:
        """Add what another batch did."""
        self.examined += other.examined
        self.moved += other.moved
        self.replaced += other.replaced
        for by in (other.least, other.greatest):
            if by is not None:
                self._widen(by)
        for move in other.examples:
            self._show(move)

    def _widen(self, by: timedelta) -> None:
        self.least = by if self.least is None else min(self.least, by)
        self.greatest = by if self.greatest is None else max(self.greatest, by)

    def _show(self, move: Move) -> None:
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(move)


class Records:
    """A table of recomputes, with its column for the release and that for what each zone or calendar had to move."""

    def __init__(self, table: str, release: str, shifts: str) -> None:
        # All three are constants of the code.
        self._begin = text(f"INSERT INTO {table} ({release}) VALUES (:release) RETURNING id")
        self._progress = text(
            f"UPDATE {table} SET examined = :examined, moved = :moved, replaced = :replaced,"
            f" {shifts} = CAST(CAST(:shifts AS text) AS jsonb) WHERE id = :id"
        )
        self._finish = text(f"UPDATE {table} SET finished_at = clock_timestamp() WHERE id = :id")

    async def begin(self, database: Database, release: str) -> int:
        """Record that a recompute has begun. Returns its id."""
        async with database.transaction() as tx:
            id: int = (await tx.execute(self._begin, {"release": release})).scalar_one()
        return id

    async def progress(self, tx: Transaction, id: int, shifts: Mapping[str, Shifts]) -> None:
        """Record what it has done so far."""
        sums: dict[str, object] = {
            name: sum(getattr(each, name) for each in shifts.values()) for name in ("examined", "moved", "replaced")
        }
        dumped = to_json({name: _dump(each) for name, each in sorted(shifts.items())}).decode()
        await tx.execute(self._progress, {**sums, "shifts": dumped, "id": id})

    async def finish(self, database: Database, id: int) -> None:
        """Record that it has seen all."""
        async with database.transaction() as tx:
            await tx.execute(self._finish, {"id": id})


def _dump(shifts: Shifts) -> dict[str, object]:
    return {
        "examined": shifts.examined,
        "moved": shifts.moved,
        "replaced": shifts.replaced,
        "leastSeconds": _seconds(shifts.least),
        "greatestSeconds": _seconds(shifts.greatest),
        "examples": [
            {"eventId": each.event_id, "before": each.before, "after": each.after} for each in shifts.examples
        ],
    }


def _seconds(by: timedelta | None) -> float | None:
    return None if by is None else by.total_seconds()
