"""The forecast: how much is due, hour by hour and priority by priority."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Counts = Mapping[int, int]
"""Events by priority; one without any is left out."""


@dataclass(frozen=True, slots=True)
class HourForecast:
    """The events due in the hour that begins at ``hour``; ``moved`` of it were moved there by their send windows."""

    hour: datetime
    counts: Counts
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Pending events at ``since`` for an instant before ``until``.

    ``overdue`` should have been fired already; ``hours``, in their order, are those in which something is due.
    """

    since: datetime
    until: datetime
    overdue: Counts
    hours: Sequence[HourForecast]
