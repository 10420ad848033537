"""Deliveries keep to the send window of their due event, where their endpoint does (ADR 31).

Windows are judged by Almanac's clock, by which the event was planned: under a time-lapse that is not the real time,
in which retries are counted.
"""

import math
from dataclasses import replace
from datetime import datetime

from chassis.core.zones import is_zone, zone
from chassis.database.clock import Clock
from contracts.due import parse_due_event
from contracts.send_hours import window_of
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Result, Target

STOPPED_SECONDS = 60.0
"""When to look again where the clock stands still, or stops before the window opens: only a time-lapse does."""


def opening(dispatch: Dispatch, target: Target, at: datetime) -> datetime | None:
    """Return when a delivery that is due at ``at`` may be sent, if later: its window is closed until then.

    A zone that this release of tzdata does not know closes nothing.
    """
    if not target.respect_send_window or dispatch.operational:
        return None
    window = parse_due_event(dispatch.due).metadata.send_window
    if window is None or not is_zone(window.timezone):
        return None
    opens_at = window_of(window.hours).opening(at, zone(window.timezone))
    return None if opens_at is None or opens_at <= at else opens_at


def held_back(dispatch: Dispatch, target: Target, clock: Clock) -> Result | None:
    """Return that a delivery waits for its window, without using up an attempt; None where it may be sent now."""
    opens_at = opening(dispatch, target, clock.now())
    if opens_at is None:
        return None
    return Result(dispatch, DeliveryStatus.PENDING, retry_in=_seconds_until(opens_at, clock))


def inside_window(result: Result, target: Target, clock: Clock) -> Result:
    """Return ``result`` with its retry moved to the next opening where it would come while the window is closed."""
    if result.retry_in is None:
        return result
    opens_at = opening(result.dispatch, target, clock.now_in(result.retry_in))
    if opens_at is None:
        return result
    return replace(result, retry_in=max(result.retry_in, _seconds_until(opens_at, clock)))


def _seconds_until(instant: datetime, clock: Clock) -> float:
    seconds = clock.real_delay(instant)
    return seconds if math.isfinite(seconds) else STOPPED_SECONDS
