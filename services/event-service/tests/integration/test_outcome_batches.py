"""Outcomes end events and make the next ones, in one transaction, whatever comes how often and in which order."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from event_scenario import Scenario, event_id
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from contracts.messages.user import UserItem
from contracts.vocabulary import OutcomeStatus
from event_service.domain.events import Event

FAILED, SUCCEEDED = OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED


@pytest.fixture
async def fired(scenario: Scenario) -> Event:
    """Ada's event of 2026, published."""
    await scenario.at("2026-11-23T14:00Z")
    await scenario.receive(scenario.user())
    assert await scenario.fire() == 1
    await scenario.announced()
    return scenario.bus.published[0]


async def _statuses(scenario: Scenario, event: Event) -> list[str]:
    return [row.status for row in await scenario.events(event.user_id)]


async def test_success_completes_and_leaves_the_next_event_alone(scenario: Scenario, fired: Event) -> None:
    finished_at = fired.target + timedelta(seconds=3)
    await scenario.answer(scenario.outcome(fired, at=finished_at))
    done, coming = await scenario.events(fired.user_id)
    assert (done.status, done.finished_at, done.reason, done.claim_token) == ("COMPLETED", finished_at, None, None)
    assert [step["cause"] for step in done.history] == ["scheduled", "claimed", "delivered"]
    assert (coming.id, coming.status, coming.attempt) == (event_id(fired.user_id, 2027), "PENDING", 1)
    assert coming.target_timestamp_utc == datetime(2027, 11, 23, 14, tzinfo=UTC)
    assert coming.payload == {"message": "Hey, Ada Lovelace!"}
    schedule = await scenario.schedule(fired.user_id)
    assert (schedule.live_event_id, schedule.next_at) == (coming.id, coming.target_timestamp_utc)
    assert schedule.last_occurrence == "2026"
    [completed] = await scenario.announced()
    assert (completed[0], completed[1]["latenessSeconds"], completed[1]["late"]) == ("EventCompleted", 3.0, False)
    assert completed[1]["tags"] == ["vip"]


async def test_failure_fails_and_leaves_the_next_event_alone(scenario: Scenario, fired: Event) -> None:
    await scenario.answer(scenario.outcome(fired, FAILED, reason="no_endpoint"))
    done, coming = await scenario.events(fired.user_id)
    assert (done.status, done.reason, done.history[-1]["cause"]) == ("FAILED", "no_endpoint", "no_endpoint")
    assert (coming.status, coming.occurrence) == ("PENDING", "2027")
    [failed] = await scenario.announced()
    assert (failed[0], failed[1]["reason"]) == ("EventFailed", "no_endpoint")
    assert failed[1]["tags"] == ["vip"]


async def test_a_redriven_delivery_that_succeeds_completes_what_had_failed(scenario: Scenario, fired: Event) -> None:
    await scenario.answer(scenario.outcome(fired, FAILED))
    await scenario.answer(scenario.outcome(fired, SUCCEEDED))
    assert await _statuses(scenario, fired) == ["COMPLETED", "PENDING"]
    assert await scenario.announced_types() == ["EventFailed", "EventCompleted"]


async def test_a_failure_after_success_changes_nothing(scenario: Scenario, fired: Event) -> None:
    await scenario.answer(scenario.outcome(fired, SUCCEEDED))
    await scenario.answer(scenario.outcome(fired, FAILED))
    assert await _statuses(scenario, fired) == ["COMPLETED", "PENDING"]
    assert await scenario.announced_types() == ["EventCompleted"]


@pytest.mark.parametrize("order", [(SUCCEEDED, FAILED), (FAILED, SUCCEEDED)])
async def test_of_two_outcomes_in_one_batch_the_success_counts(
    scenario: Scenario, fired: Event, order: tuple[OutcomeStatus, ...]
) -> None:
    await scenario.answer(*(scenario.outcome(fired, status) for status in order))
    assert await _statuses(scenario, fired) == ["COMPLETED", "PENDING"]
    assert await scenario.announced_types() == ["EventCompleted"]


async def test_an_outcome_that_comes_again_changes_nothing(scenario: Scenario, fired: Event) -> None:
    outcome = scenario.outcome(fired)
    await scenario.answer(outcome, outcome)
    before = await scenario.events(fired.user_id)
    await scenario.answer(outcome)
    await scenario.answer(outcome.model_copy(update={"item_id": uuid7()}))
    assert await scenario.events(fired.user_id) == before
    assert await scenario.announced_types() == ["EventCompleted"]


async def test_an_outcome_of_an_older_attempt_is_ignored(scenario: Scenario, fired: Event) -> None:
    await scenario.execute("UPDATE events SET attempt = 2")
    with capture_logs() as logs:
        await scenario.answer(scenario.outcome(fired, SUCCEEDED))
    assert await _statuses(scenario, fired) == ["PROCESSING", "PENDING"]
    assert logs == []
    await scenario.answer(scenario.outcome(fired, FAILED, attempt=1), scenario.outcome(fired, SUCCEEDED, attempt=2))
    assert await _statuses(scenario, fired) == ["COMPLETED", "PENDING"]


async def test_of_two_attempts_in_one_batch_the_later_one_counts(scenario: Scenario, fired: Event) -> None:
    await scenario.execute("UPDATE events SET attempt = 2")
    await scenario.answer(scenario.outcome(fired, FAILED, attempt=2), scenario.outcome(fired, SUCCEEDED, attempt=1))
    assert await _statuses(scenario, fired) == ["FAILED", "PENDING"]


async def test_outcome_for_an_unknown_event_is_logged_and_the_others_count(scenario: Scenario, fired: Event) -> None:
    stranger = scenario.outcome(fired, event_id=uuid7())
    with capture_logs() as logs:
        await scenario.answer(stranger, scenario.outcome(fired))
    assert await _statuses(scenario, fired) == ["COMPLETED", "PENDING"]
    assert [(each["log_level"], each["events"]) for each in logs] == [("warning", [str(stranger.event_id)])]


async def test_an_event_that_has_moved_since_its_lost_publication_is_found(scenario: Scenario) -> None:
    await scenario.at("2026-11-01T00:00Z")
    await scenario.receive(scenario.user())
    await scenario.at("2026-11-23T14:00Z")
    [fired] = await scenario.claim()
    await scenario.execute(
        "UPDATE events SET status = 'PENDING', published_at = NULL, claim_token = NULL, claimed_until = NULL"
    )
    await scenario.receive(scenario.user(fired.user_id, 2, delivery_time=time(22)))
    [moved] = await scenario.events(fired.user_id)
    assert moved.target_timestamp_utc == datetime(2026, 11, 24, 3, tzinfo=UTC)
    await scenario.answer(scenario.outcome(fired))
    done, coming = await scenario.events(fired.user_id)
    assert (done.id, done.status, done.target_timestamp_utc) == (fired.id, "COMPLETED", moved.target_timestamp_utc)
    assert coming.occurrence == "2027"
    await scenario.at("2026-11-24T03:00Z")
    assert await scenario.fire() == 0


async def test_next_event_uses_the_current_user_data(scenario: Scenario, fired: Event) -> None:
    await scenario.receive(
        scenario.user(fired.user_id, 2, first_name="Augusta", timezone="Europe/London", date_of_birth=date(1990, 2, 28))
    )
    await scenario.answer(scenario.outcome(fired))
    _, coming = await scenario.events(fired.user_id)
    assert coming.target_timestamp_utc == datetime(2027, 2, 28, 9, tzinfo=UTC)
    assert (coming.payload["message"], coming.timezone) == ("Hey, Augusta Lovelace!", "Europe/London")


async def test_a_batch_of_outcomes_ends_many_events(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.receive(*(scenario.user() for _ in range(120)))
    assert await scenario.fire() == 120
    await scenario.announced()
    await scenario.answer(
        *(scenario.outcome(event, FAILED if i % 3 else SUCCEEDED) for i, event in enumerate(scenario.bus.published))
    )
    found = await scenario.rows("SELECT status, occurrence, count(*) FROM events GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row) for row in found] == [
        ("COMPLETED", "2026", 40),
        ("FAILED", "2026", 80),
        ("PENDING", "2027", 120),
    ]
    assert len(await scenario.announced()) == 120


async def test_an_outcome_that_overtakes_the_stamp_makes_the_next_event_in_its_trace(scenario: Scenario) -> None:
    await scenario.at("2026-11-01T00:00Z")
    await scenario.receive(scenario.user())
    await scenario.at("2026-11-23T14:00Z")
    [fired] = await scenario.claim()
    await scenario.announced()
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await scenario.answer(scenario.outcome(fired, traceparent=traceparent))
    _, coming = await scenario.events(fired.user_id)
    assert coming.traceparent == traceparent
    assert [item["traceparent"] for _, item in await scenario.announced()] == [traceparent, traceparent]


async def test_a_leap_day_child_is_greeted_on_the_28th_and_then_on_the_29th(scenario: Scenario) -> None:
    await scenario.at("2027-02-01T00:00Z")
    user: UserItem = scenario.user(date_of_birth=date(2000, 2, 29), timezone="UTC")
    await scenario.receive(user)
    await scenario.at("2027-02-28T09:00Z")
    assert await scenario.fire() == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    assert [row.target_timestamp_utc.date() for row in await scenario.events(user.user_id)] == [
        date(2027, 2, 28),
        date(2028, 2, 29),
    ]
