"""A time of day passes over the world's zones: the instants, the zones, and the events due there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from event_service.domain.local_time import GapPolicy, to_instant


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """Events of one zone: how many have their target at an instant, and how many of them are still pending or
    processing."""

    timezone: str
    total: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Clocks of some zones show the time at ``instant``. ``zones`` are those in which something is due then."""

    instant: datetime
    zones: Sequence[ZoneCount]


@dataclass(frozen=True, slots=True)
class Passages:
    """Where the time has passed since ``since`` and will have passed before ``until``, in that order."""

    since: datetime
    until: datetime
    passages: Sequence[Passage]


def zones_by_instant(
    at: time, zones: Iterable[ZoneInfo], since: datetime, until: datetime
) -> Mapping[datetime, frozenset[str]]:
    """The instants from ``since`` to before ``until`` (in UTC) at which clocks show ``at``, with the zones they are of.

    A day that skips the time is left out.
    """
    found: defaultdict[datetime, set[str]] = defaultdict(set)
    days = [since.date() + timedelta(days=number) for number in range(-1, (until - since).days + 3)]
    for zone in zones:
        for day in days:
            instant = to_instant(datetime.combine(day, at), zone, gap=GapPolicy.SKIP)
            if instant is not None and since <= instant < until:
                found[instant].add(zone.key)
    return {instant: frozenset(found[instant]) for instant in sorted(found)}


def passages(
    zones: Mapping[datetime, frozenset[str]], counts: Mapping[datetime, Sequence[ZoneCount]]
) -> Sequence[Passage]:
    """One for each instant of ``zones``. Of ``counts``, zones whose clocks show the time then; most events first."""
    return [
        Passage(
            instant,
            sorted(
                (each for each in counts.get(instant, ()) if each.timezone in names),
                key=lambda each: (-each.total, each.timezone),
            ),
        )
        for instant, names in zones.items()
    ]
