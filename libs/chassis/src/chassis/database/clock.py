"""One clock for all services: the database's, optionally mapped (ADR 4, docs/architecture.md#the-one-machine-stack).

Targets, grace and expiry follow this clock. Leases, backoff and signatures follow real time.
In SQL the same clock is ``almanac_now()``; write ``(SELECT almanac_now())`` in a predicate, so that it is evaluated
once and an index can be used. ``almanac_real_delay(t)`` is the real time in seconds until ``t``, ``almanac_now_in(s)``
what the clock will show in ``s`` real seconds.
"""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import text

from chassis.database.database import Database, Transaction


class Clock(Protocol):
    """Returns the time, always timezone-aware and in UTC."""

    def now(self) -> datetime: ...

    def now_in(self, seconds: float) -> datetime:
        """Return the time of this clock after ``seconds`` of real time, like the SQL function ``almanac_now_in``."""

    def real_delay(self, target: datetime) -> float:
        """Return the seconds of real time until this clock shows ``target``, as ``almanac_real_delay`` does in SQL.

        0 where it has passed; infinite where the clock stands still, or stops before it.
        """


@dataclass(frozen=True, slots=True)
class ClockMap:
    """``simulated = simulated_anchor + (real - real_anchor) * speed``, never past ``stops_at``. Speed 0 is frozen."""

    real_anchor: datetime
    simulated_anchor: datetime
    speed: float
    stops_at: datetime | None = None

    def simulate(self, real: datetime) -> datetime:
        """The simulated instant at a real one."""
        simulated = self.simulated_anchor + (real - self.real_anchor) * self.speed
        return simulated if self.stops_at is None else min(simulated, self.stops_at)

    def real_delay(self, target: datetime, real: datetime) -> float:
        """The seconds of real time from ``real`` until ``target`` is shown; infinite where it never is."""
        shown = self.simulate(real)
        if target <= shown:
            return 0.0
        if self.speed == 0 or (self.stops_at is not None and target > self.stops_at):
            return math.inf
        return (target - shown).total_seconds() / self.speed


class TimeLapseRefusedError(RuntimeError):
    """The database holds a mapped clock and this process must not use one (``TIME_LAPSE`` is off)."""


_READ = text(
    "SELECT clock_timestamp() AS real_now, m.real_anchor, m.simulated_anchor, m.speed, m.stops_at"
    " FROM (SELECT 1) AS one LEFT JOIN clock_map m ON true"
)
_CLEAR = text("DELETE FROM clock_map")
_WRITE = text(
    "INSERT INTO clock_map (real_anchor, simulated_anchor, speed, stops_at)"
    " VALUES (:real_anchor, :simulated_anchor, :speed, :stops_at)"
)


class DatabaseClock:
    """The database's clock as seen from Python: the pod's monotonic clock plus a measured offset.

    ``now()`` never waits; ``refresh()`` measures again and must be called regularly (the runtime does).
    """

    def __init__(self, database: Database, *, time_lapse: bool) -> None:
        self._database = database
        self._time_lapse = time_lapse
        self._map: ClockMap | None = None
        self._offset = time.time() - time.monotonic()

    def now(self) -> datetime:
        return self.now_in(0)

    def now_in(self, seconds: float) -> datetime:
        real = self._real() + timedelta(seconds=seconds)
        return real if self._map is None else self._map.simulate(real)

    def real_delay(self, target: datetime) -> float:
        real = self._real()
        if self._map is None:
            return max(0.0, (target - real).total_seconds())
        return self._map.real_delay(target, real)

    def _real(self) -> datetime:
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)

    @property
    def mapped(self) -> bool:
        """True while the clock runs on simulated time."""
        return self._map is not None

    async def refresh(self) -> None:
        """Measure the offset to the database and read the map.

        Raises:
            TimeLapseRefusedError: a map is there and time lapse is off.
        """
        before = time.monotonic()
        async with self._database.read() as connection:
            row = (await connection.execute(_READ)).one()
        midway = (before + time.monotonic()) / 2
        self._offset = row.real_now.timestamp() - midway
        if row.real_anchor is None:
            self._map = None
        elif self._time_lapse:
            self._map = ClockMap(row.real_anchor, row.simulated_anchor, row.speed, row.stops_at)
        else:
            raise TimeLapseRefusedError("clock_map has a row, but TIME_LAPSE is off: delete it or set TIME_LAPSE")


async def write_clock_map(tx: Transaction, clock_map: ClockMap) -> None:
    """Map the clock of the database that ``tx`` is open on. Processes apply it at their next refresh or statement."""
    await tx.execute(_CLEAR)
    await tx.execute(
        _WRITE,
        {
            "real_anchor": clock_map.real_anchor,
            "simulated_anchor": clock_map.simulated_anchor,
            "speed": clock_map.speed,
            "stops_at": clock_map.stops_at,
        },
    )


async def clear_clock_map(tx: Transaction) -> None:
    """Back to real time."""
    await tx.execute(_CLEAR)


@dataclass(slots=True)
class ManualClock:
    """A clock for unit tests: stands still until moved."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def now_in(self, seconds: float) -> datetime:
        return self.instant + timedelta(seconds=seconds)

    def real_delay(self, target: datetime) -> float:
        return max(0.0, (target - self.instant).total_seconds())

    def advance(self, delta: timedelta) -> None:
        self.instant += delta
