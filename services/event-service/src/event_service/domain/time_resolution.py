"""Where in time an event belongs that is asked for by itself: checked, and resolved to an instant."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis.core.zones import zone
from event_service.domain.errors import ImpossibleTimeError
from event_service.domain.occurrences import HORIZON
from event_service.domain.one_offs import When
from event_service.domain.recurrence import Once, Policies

FARTHEST = "an event can be at most 13 months ahead; a schedule can begin later"
_ANY_OFFSET = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Placed:
    """``wall``: the local time, in ``timezone``, that the target comes from; None of one that is an instant."""

    target: datetime
    wall: datetime | None
    timezone: str
    follows_user: bool = False

    @property
    def occurrence(self) -> str:
        """How it is called: by its local time, or by its instant."""
        if self.wall is not None:
            return self.wall.isoformat()
        return self.target.isoformat().replace("+00:00", "Z")


def place(when: When, users_zone: str, policies: Policies, *, grace: timedelta, now: datetime) -> Placed:
    """What has just passed is fine while inside its grace: it fires at once.

    Raises:
        ImpossibleTimeError: it is past its grace, too far ahead, or skipped by the zone's clocks.
    """
    if when.at is None:
        return Placed(now, None, users_zone)
    if when.at.tzinfo is not None:
        placed = Placed(when.at.astimezone(UTC), None, users_zone)
    else:
        placed = _local(when.at, when.timezone or users_zone, policies, now, follows_user=when.timezone is None)
    check_reachable(placed.target, grace=grace, now=now)
    return placed


def check_reachable(target: datetime, *, grace: timedelta, now: datetime) -> None:
    """Raises ImpossibleTimeError."""
    if target - now > HORIZON:
        raise ImpossibleTimeError(FARTHEST)
    if target + grace <= now:
        raise ImpossibleTimeError(
            f"{target:%Y-%m-%dT%H:%M:%SZ} has passed, and its grace of {int(grace.total_seconds())} s as well:"
            f" it is {now:%Y-%m-%dT%H:%M:%SZ}"
        )


def near_enough(wall: datetime, now: datetime) -> None:
    """Judge a local time before it is resolved: near the ends of the calendar there is no instant to resolve it to.

    Raises ImpossibleTimeError.
    """
    from_here = wall.replace(tzinfo=UTC) - now
    if from_here > HORIZON + _ANY_OFFSET:
        raise ImpossibleTimeError(FARTHEST)
    if from_here < -HORIZON:
        raise ImpossibleTimeError(f"{wall.isoformat()} has passed long ago")


def _local(wall: datetime, name: str, policies: Policies, now: datetime, *, follows_user: bool) -> Placed:
    near_enough(wall, now)
    occurrence = Once(wall, zone(name), policies).first_from(datetime.min.replace(tzinfo=UTC))
    if occurrence is None:
        raise ImpossibleTimeError(f"there is no {wall.isoformat()} in {name}: its clocks are changed then")
    return Placed(occurrence.instant, wall, name, follows_user)
