"""Deliveries to people keep to the send window of their due event; those to machines do not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from delivery_scene import due_event

from delivery_service.application.send_windows import held_back, inside_window, seconds_closed
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Lease, Result, Target
from delivery_service.domain.endpoints import Kind

NIGHT = datetime(2026, 11, 24, 2, tzinfo=UTC)  # three in the morning in Berlin
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
WINDOW = {"timezone": "Europe/Berlin", "hours": [{"days": DAYS, "from": "08:00:00", "until": "20:00:00"}]}
FIVE_HOURS = 5 * 3600.0


def _dispatch(window: dict[str, Any] | None, kind: Kind, *, operational: bool = False) -> tuple[Dispatch, Target]:
    metadata: dict[str, Any] = {} if window is None else {"sendWindow": window}
    due = json.dumps(due_event(**metadata))
    target = Target(uuid4(), 1, kind, None, "", 30)
    lease = Lease(uuid4(), 60.0, 60.0)
    expires_at = NIGHT + timedelta(days=1)
    return Dispatch(uuid4(), uuid4(), lease, 0, due, expires_at, None, target, operational), target


@pytest.mark.parametrize("kind", [Kind.EMAIL, Kind.SMS])
def test_delivery_to_a_person_at_night_waits_for_the_window_without_a_try(kind: Kind) -> None:
    dispatch, target = _dispatch(WINDOW, kind)
    waits = held_back(dispatch, target, NIGHT)
    assert waits == Result(dispatch, DeliveryStatus.PENDING, retry_in=FIVE_HOURS)
    assert held_back(dispatch, target, NIGHT + timedelta(hours=6)) is None


@pytest.mark.parametrize("kind", [Kind.WEBHOOK, Kind.SLACK])
def test_delivery_to_a_machine_is_sent_at_any_time(kind: Kind) -> None:
    assert held_back(*_dispatch(WINDOW, kind), NIGHT) is None


def test_delivery_without_a_window_is_sent_at_any_time() -> None:
    assert held_back(*_dispatch(None, Kind.EMAIL), NIGHT) is None


def test_operational_message_is_sent_at_any_time() -> None:
    assert held_back(*_dispatch(WINDOW, Kind.EMAIL, operational=True), NIGHT) is None


def test_retry_that_would_come_at_night_comes_when_the_window_opens() -> None:
    dispatch, target = _dispatch(WINDOW, Kind.SMS)
    late = NIGHT - timedelta(hours=7, seconds=10)  # ten seconds before 20:00
    result = Result(dispatch, DeliveryStatus.PENDING, retry_in=60.0)
    moved = inside_window(result, target, late)
    assert moved.retry_in == pytest.approx(12 * 3600.0 + 10)
    assert inside_window(result, target, late - timedelta(minutes=5)) is result


def test_ended_delivery_stays_as_it_is() -> None:
    dispatch, target = _dispatch(WINDOW, Kind.SMS)
    ended = Result(dispatch, DeliveryStatus.SUCCEEDED)
    assert inside_window(ended, target, NIGHT) is ended


def test_zone_that_is_not_known_closes_nothing() -> None:
    dispatch, target = _dispatch({**WINDOW, "timezone": "Mars/Olympus"}, Kind.EMAIL)
    assert seconds_closed(dispatch, target, NIGHT) == 0.0
