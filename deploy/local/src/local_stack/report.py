"""What a time-lapse run says at its end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from local_stack.inbox.store import Receipt


@dataclass(frozen=True)
class TimeLapse:
    """The clock's run: simulated time left `start` at real time `started_at` and passes `speed` times as fast."""

    started_at: datetime
    start: datetime
    speed: float

    def real(self, simulated: datetime) -> datetime:
        """The real instant at which the clock showed a simulated one; the start for events due before it ran."""
        return self.started_at + (max(simulated, self.start) - self.start) / self.speed

    def shows(self, real: datetime) -> datetime:
        """The simulated instant at a real one, if the clock did not stop before."""
        return self.start + (real - self.started_at) * self.speed


@dataclass
class Tally:
    """Receipts of one type against what was expected. Add receipts in any order, then read."""

    day: date | None  # receipts for other local dates do not count; None: all dates do
    expected: Mapping[str, datetime]  # instant (UTC) by user id
    zones: Mapping[str, str]  # zone by user id, of every accepted user
    clock: TimeLapse
    event_type: str = "BIRTHDAY"
    unverified: int = 0
    duplicates: int = 0
    surprises: list[str] = field(default_factory=list)
    lateness_ms: dict[str, float] = field(default_factory=dict)
    last_at: datetime | None = None

    def add(self, receipt: Receipt) -> None:
        """Count a receipt. One for another date counts only if its signature is wrong."""
        if not receipt.verified:
            self.unverified += 1
            return
        data = receipt.body["data"]
        user, target = data["userId"], datetime.fromisoformat(data["targetTimestampUTC"]).astimezone(UTC)
        zone = self.zones.get(user)
        if zone is None or data["eventType"] != self.event_type:
            return
        if self.day not in (None, target.astimezone(ZoneInfo(zone)).date()):
            return
        expected = self.expected.get(user)
        if expected != target:
            wanted = "none" if expected is None else f"one for {expected:%Y-%m-%dT%H:%M:%SZ}"
            self.surprises.append(
                f"user {user} had a {self.event_type} for {target:%Y-%m-%dT%H:%M:%SZ} and should have {wanted}"
            )
        elif user in self.lateness_ms:
            self.duplicates += 1
        else:
            late = (receipt.received_at - self.clock.real(target)).total_seconds() * 1000
            self.lateness_ms[user] = max(0.0, late)
            self.last_at = max(self.last_at or receipt.received_at, receipt.received_at)

    @property
    def delivered(self) -> int:
        """Due users whose webhook came, verified, for the right instant."""
        return len(self.lateness_ms)

    @property
    def missing(self) -> list[str]:
        """The ids of due users whose webhook did not come."""
        return [user for user in self.expected if user not in self.lateness_ms]

    def counts(self) -> dict[str, Any]:
        """The part of the report that is of this type alone. Lateness is in real milliseconds."""
        lateness = sorted(self.lateness_ms.values())
        return {
            "due": len(self.expected),
            "delivered": self.delivered,
            "missing": len(self.missing),
            "duplicates": self.duplicates,
            "unverified": self.unverified,
            "latenessMs": {f"p{share}": percentile(lateness, share) for share in (50, 95, 99)},
        }

    def report(self, users: int, refused: int) -> dict[str, Any]:
        """The JSON object of the last line. `seconds` are real, from the clock's start to the last delivery."""
        seconds = (self.last_at - self.clock.started_at).total_seconds() if self.last_at else 0.0
        return {
            "users": users,
            "refused": refused,
            **self.counts(),
            "seconds": round(seconds, 3),
            "perSecond": round(self.delivered / seconds, 3) if seconds > 0 else 0.0,
        }

    def perfect(self, refused: int) -> bool:
        """Whether the run may exit with 0."""
        faults = refused + len(self.missing) + self.duplicates + self.unverified + len(self.surprises)
        return len(self.expected) > 0 and faults == 0


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of ascending values, rounded to a tenth; None of no values."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)], 1)
