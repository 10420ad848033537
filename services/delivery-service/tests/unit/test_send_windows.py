"""Deliveries to people keep to the send window of their due event, and others where their endpoint asks for it."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from delivery_scene import due_event

from chassis.database.clock import ManualClock
from contracts.vocabulary import Channel
from delivery_service.application.send_windows import STOPPED_SECONDS, held_back, inside_window, opening
from delivery_service.domain.deliveries import DeliveryStatus, Dispatch, Lease, Result, Target
from delivery_service.domain.endpoints import keeps_to_send_window

NIGHT = datetime(2026, 11, 24, 2, tzinfo=UTC)  # three in the morning in Berlin
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
WINDOW = {"timezone": "Europe/Berlin", "hours": [{"days": DAYS, "from": "08:00:00", "until": "20:00:00"}]}
FIVE_HOURS = 5 * 3600.0


class LapsedClock(ManualClock):
    """Shows an hour in ten seconds, and stops after six hours."""

    def now_in(self, seconds: float) -> datetime:
        return min(NIGHT + timedelta(hours=6), self.instant + timedelta(seconds=360 * seconds))

    def real_delay(self, target: datetime) -> float:
        return math.inf if target > NIGHT + timedelta(hours=6) else (target - self.instant).total_seconds() / 360


def _dispatch(
    window: dict[str, Any] | None, kind: Channel, *, operational: bool = False, respect: bool | None = None
) -> tuple[Dispatch, Target]:
    metadata: dict[str, Any] = {} if window is None else {"sendWindow": window}
    due = json.dumps(due_event(**metadata))
    target = Target(uuid4(), 1, kind, None, "", 30, respect_send_window=keeps_to_send_window(kind, respect))
    lease = Lease(uuid4(), 60.0, 60.0)
    expires_at = NIGHT + timedelta(days=1)
    return Dispatch(uuid4(), uuid4(), lease, 0, due, expires_at, None, target, operational), target


@pytest.mark.parametrize("kind", [Channel.EMAIL, Channel.SMS])
def test_delivery_to_a_person_at_night_waits_for_the_window_without_an_attempt(kind: Channel) -> None:
    dispatch, target = _dispatch(WINDOW, kind)
    waits = held_back(dispatch, target, ManualClock(NIGHT))
    assert waits == Result(dispatch, DeliveryStatus.PENDING, retry_in=FIVE_HOURS)
    assert held_back(dispatch, target, ManualClock(NIGHT + timedelta(hours=6))) is None


@pytest.mark.parametrize("kind", [Channel.WEBHOOK, Channel.SLACK])
def test_delivery_to_a_machine_waits_for_the_window_only_where_its_endpoint_asks_for_it(kind: Channel) -> None:
    for silent in (None, False):
        assert held_back(*_dispatch(WINDOW, kind, respect=silent), ManualClock(NIGHT)) is None
    waits = held_back(*_dispatch(WINDOW, kind, respect=True), ManualClock(NIGHT))
    assert waits is not None
    assert waits.retry_in == FIVE_HOURS


def test_delivery_without_a_window_is_sent_at_any_time() -> None:
    assert held_back(*_dispatch(None, Channel.EMAIL), ManualClock(NIGHT)) is None


def test_operational_message_is_sent_at_any_time() -> None:
    dispatch = _dispatch(WINDOW, Channel.WEBHOOK, operational=True, respect=True)
    assert held_back(*dispatch, ManualClock(NIGHT)) is None


def test_retry_that_would_come_at_night_comes_when_the_window_opens() -> None:
    dispatch, target = _dispatch(WINDOW, Channel.SMS)
    late = NIGHT - timedelta(hours=7, seconds=10)  # ten seconds before 20:00
    result = Result(dispatch, DeliveryStatus.PENDING, retry_in=60.0)
    moved = inside_window(result, target, ManualClock(late))
    assert moved.retry_in == pytest.approx(12 * 3600.0 + 10)
    assert inside_window(result, target, ManualClock(late - timedelta(minutes=5))) is result


def test_ended_delivery_stays_as_it_is() -> None:
    dispatch, target = _dispatch(WINDOW, Channel.SMS)
    ended = Result(dispatch, DeliveryStatus.SUCCEEDED)
    assert inside_window(ended, target, ManualClock(NIGHT)) is ended


def test_wait_for_the_window_is_in_real_seconds_of_a_lapsed_clock() -> None:
    dispatch, target = _dispatch(WINDOW, Channel.EMAIL)
    waits = held_back(dispatch, target, LapsedClock(NIGHT))
    assert waits is not None
    assert waits.retry_in == 50.0


def test_retry_is_judged_by_what_a_lapsed_clock_will_show() -> None:
    dispatch, target = _dispatch(WINDOW, Channel.EMAIL)
    soon, later = (Result(dispatch, DeliveryStatus.PENDING, retry_in=seconds) for seconds in (20.0, 55.0))
    assert inside_window(soon, target, LapsedClock(NIGHT)).retry_in == 50.0
    assert inside_window(later, target, LapsedClock(NIGHT)) is later


def test_window_that_opens_after_the_clock_has_stopped_is_looked_at_again_each_minute() -> None:
    afternoon = {**WINDOW, "hours": [{"days": DAYS, "from": "15:00:00", "until": "20:00:00"}]}
    dispatch, target = _dispatch(afternoon, Channel.EMAIL)
    waits = held_back(dispatch, target, LapsedClock(NIGHT))
    assert waits is not None
    assert waits.retry_in == STOPPED_SECONDS
    result = Result(dispatch, DeliveryStatus.PENDING, retry_in=600.0)
    assert inside_window(result, target, LapsedClock(NIGHT)).retry_in == 600.0


def test_zone_that_is_not_known_closes_nothing() -> None:
    dispatch, target = _dispatch({**WINDOW, "timezone": "Mars/Olympus"}, Channel.EMAIL)
    assert opening(dispatch, target, NIGHT) is None
