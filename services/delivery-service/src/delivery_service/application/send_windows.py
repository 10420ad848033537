"""Deliveries to people keep to the send window that their due event carries (ADR 31)."""

from dataclasses import replace
from datetime import datetime, timedelta

from chassis.zones import is_zone, zone
from contracts.due import parse_due_event
from contracts.send_hours import window_of
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Result, Target
from delivery_service.domain.endpoints import Kind

PERSONAL = frozenset({Kind.EMAIL, Kind.SMS})
"""Channels that reach a person. A webhook or Slack reaches a machine or a team."""


def seconds_closed(dispatch: Dispatch, target: Target, at: datetime) -> float:
    """Return how long after ``at`` the window of the event opens, in seconds; 0 where it is open, or has none.

    A zone that this release of tzdata does not know closes nothing.
    """
    if target.kind not in PERSONAL or dispatch.operational:
        return 0.0
    window = parse_due_event(dispatch.due).metadata.send_window
    if window is None or not is_zone(window.timezone):
        return 0.0
    opening = window_of(window.hours).opening(at, zone(window.timezone))
    return 0.0 if opening is None else max(0.0, (opening - at).total_seconds())


def held_back(dispatch: Dispatch, target: Target, now: datetime) -> Result | None:
    """Return that a delivery waits for its window, without using up a try; None where it may be sent now."""
    closed = seconds_closed(dispatch, target, now)
    return Result(dispatch, DeliveryStatus.PENDING, retry_in=closed) if closed else None


def inside_window(result: Result, target: Target, now: datetime) -> Result:
    """Return ``result`` with its retry moved to the next opening where it would come while the window is closed."""
    if result.retry_in is None:
        return result
    closed = seconds_closed(result.dispatch, target, now + timedelta(seconds=result.retry_in))
    return replace(result, retry_in=result.retry_in + closed) if closed else result
