"""What the fleet can do in an hour, and why not more."""

from collections.abc import Sequence
from dataclasses import dataclass

from console import formats
from console.data_sources import Processes
from console.markup import Content
from contracts.http.analytics import CountSeries, Overview
from contracts.http.status import DeliveryServiceStatus

_HOUR = 3_600
COLUMNS = ("What", "Because", "Events an hour")


@dataclass(frozen=True)
class Bound:
    """What allows ``per_hour`` events and not more, in a word and with its reason."""

    what: str
    reason: str
    per_hour: float


@dataclass(frozen=True)
class Capacity:
    """What the fleet can deliver in an hour.

    ``ceiling_per_hour`` is the least of the ``bounds``, yet not less than what was seen.
    ``fastest_per_hour`` is the busiest minute of the last day, kept up for an hour.
    """

    ceiling_per_hour: float
    fastest_per_hour: float | None
    bounds: Sequence[Bound] = ()


def capacity(
    status: DeliveryServiceStatus | None,
    day: Overview | None,
    pace: CountSeries | None,
    processes: Sequence[Processes] | None,
    each_per_second: float,
) -> Capacity:
    """From the concurrency and the duration of webhooks, and from processes and their measured throughput."""
    receivers, own = _receivers(status, day), _processes(processes, each_per_second)
    bounds = (own,) if receivers is None else (receivers, own)
    minutes = [point.count for point in pace.points if point.outcome == "completed"] if pace is not None else []
    fastest = max(minutes) * 60.0 if minutes else None
    return Capacity(max(min(each.per_hour for each in bounds), fastest or 0.0), fastest, bounds)


def _receivers(status: DeliveryServiceStatus | None, day: Overview | None) -> Bound | None:
    """Little's law: the maximum concurrency divided by the median duration of a webhook."""
    if status is None or day is None:
        return None
    medians = {each.priority: each.p50 for each in day.latencies if each.measure == "webhook" and each.count}
    known = [
        (each.concurrency, seconds)
        for each in status.deliveries
        if (seconds := medians.get(each.priority) or medians.get(None))
    ]
    if not known:
        return None
    slots, per_second = sum(at_once for at_once, _ in known), sum(at_once / seconds for at_once, seconds in known)
    reason = f"{formats.count(slots)} concurrent, {formats.duration(slots / per_second)} each in the median"
    return Bound("Receivers", reason, per_second * _HOUR)


def _processes(processes: Sequence[Processes] | None, each_per_second: float) -> Bound:
    """Every event passes every role, so that the role with the fewest processes decides."""
    number, who = 1, "how many is not known: one of each role"
    if processes:
        scarce = min(processes, key=lambda each: each.number)
        # One that has just begun again is a part of one in the hour's average.
        number = max(1, round(scarce.number)) if scarce.number else 0
        who = f"{formats.of_many(number, scarce.role)} of {scarce.service}"
    reason = f"{who}, each measured at {formats.count(each_per_second)} a second"
    return Bound("Processes", reason, number * each_per_second * _HOUR)


def bound_rows(able: Capacity) -> Sequence[Sequence[Content]]:
    """A row for each bound, the least first, and one for what was seen."""
    rows = [
        [each.what, each.reason, formats.count(each.per_hour)]
        for each in sorted(able.bounds, key=lambda each: each.per_hour)
    ]
    if able.fastest_per_hour:
        rows.append(["Seen", "the busiest minute of the last day, kept up", formats.count(able.fastest_per_hour)])
    return rows
