"""A publication without an answer: until it is settled its event can neither be cancelled nor moved (ADR 0028)."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from event_scenario import RULES, FakeBus, Scenario

from contracts.messages.user import UserItem
from contracts.vocabulary import OutcomeStatus, Priority
from event_service.adapters import claims
from event_service.adapters.event_rows import COLUMNS, to_event
from event_service.application.event_changes import cancel_event, reschedule_event
from event_service.application.firing import FiringRules, NotPublishedError, fire_due, publish_again, return_unconfirmed
from event_service.application.reaping import Reaper
from event_service.domain.errors import EventStateError
from event_service.domain.events import Event, Published
from event_service.domain.one_offs import When

LATER = When(datetime(2026, 12, 1, 9, tzinfo=UTC))


@pytest.fixture
async def users(scenario: Scenario) -> list[UserItem]:
    """Three, all due now."""
    await scenario.at("2026-11-23T14:00Z")
    users = [scenario.user() for _ in range(3)]
    await scenario.receive(*users)
    await scenario.announced()
    return users


@pytest.fixture
def reaper(scenario: Scenario) -> Reaper:
    runtime = scenario.runtime
    return Reaper(runtime.database, runtime.outbox, scenario.bus, scenario.firing, RULES, every_seconds=5.0)


async def _due(scenario: Scenario) -> list[Event]:
    """All events of 2026, by their ids."""
    rows = await scenario.rows(f"SELECT {COLUMNS} FROM events e WHERE occurrence = '2026' ORDER BY id")  # noqa: S608
    return [to_event(row) for row in rows]


async def _statuses(scenario: Scenario) -> list[str]:
    rows = await scenario.rows("SELECT status FROM events WHERE occurrence = '2026' ORDER BY id")
    return [row.status for row in rows]


async def _refusals(scenario: Scenario, event: Event) -> list[str]:
    """Why it can be neither cancelled nor moved."""
    database, outbox = scenario.runtime.database, scenario.runtime.outbox
    with pytest.raises(EventStateError) as cancel:
        await cancel_event(database, outbox, RULES, event.id)
    with pytest.raises(EventStateError) as move:
        await reschedule_event(database, outbox, RULES, event.id, LATER)
    return [str(cancel.value), str(move.value)]


async def _let_pause_pass(scenario: Scenario) -> None:
    await scenario.execute(
        "UPDATE events SET claimed_until = clock_timestamp() WHERE status = 'PROCESSING' AND published_at IS NULL"
    )


async def _end_horizon(scenario: Scenario) -> None:
    await _let_pause_pass(scenario)
    await scenario.execute(
        "UPDATE events SET unconfirmed_until = clock_timestamp() WHERE status = 'PROCESSING' AND published_at IS NULL"
    )


async def test_a_bus_call_gets_a_deadline_well_inside_the_lease(scenario: Scenario, users: list[UserItem]) -> None:
    began = time.monotonic()
    assert await scenario.fire() == 3
    [deadline] = scenario.bus.deadlines
    assert began < deadline <= time.monotonic() + scenario.firing.lease_seconds / 2


async def test_an_unanswered_publication_is_kept_from_cancels_and_moves(
    scenario: Scenario, users: list[UserItem]
) -> None:
    due = await _due(scenario)
    scenario.bus.silent = {event.id for event in due}
    with pytest.raises(NotPublishedError, match=r"3 of 3 events not published \(3 of them perhaps\)"):
        await scenario.fire()
    assert await _statuses(scenario) == ["PROCESSING"] * 3
    for event in due:
        for reason in await _refusals(scenario, event):
            assert "the bus did not confirm its publication, so it may still be sent until 20" in reason
    assert await _statuses(scenario) == ["PROCESSING"] * 3
    [row, *_] = await scenario.events(users[0].user_id)
    assert [step["cause"] for step in row.history] == ["scheduled", "claimed", "publication not confirmed"]
    assert (row.claim_token, row.published_at) == (None, None)


async def test_a_half_accepted_batch_is_taken_apart(scenario: Scenario, users: list[UserItem]) -> None:
    accepted, refused, silent = await _due(scenario)
    scenario.bus.refused, scenario.bus.silent = {refused.id}, {silent.id}
    with pytest.raises(NotPublishedError, match=r"2 of 3 events not published \(1 of them perhaps\)"):
        await scenario.fire()
    assert await _statuses(scenario) == ["PROCESSING", "PENDING", "PROCESSING"]
    rows = await scenario.rows("SELECT published_at FROM events WHERE occurrence = '2026' ORDER BY id")
    assert [row.published_at is not None for row in rows] == [True, False, False]
    # Only what was accepted has a successor.
    assert Counter(await scenario.announced_types()) == {"EventPublished": 1, "EventScheduled": 1}
    assert "has been published" in (await _refusals(scenario, accepted))[0]
    await cancel_event(scenario.runtime.database, scenario.runtime.outbox, RULES, refused.id)
    assert await _statuses(scenario) == ["PROCESSING", "CANCELLED", "PROCESSING"]


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_unanswered_publication_is_repeated_as_the_same_and_confirmed(
    scenario: Scenario, users: list[UserItem], reaper: Reaper, accepted: bool
) -> None:
    event = (await _due(scenario))[0]
    scenario.bus.silent, scenario.bus.accepts_silently = {event.id}, accepted
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    scenario.bus.silent = set()
    await reaper.step()  # too early
    assert len(scenario.bus.published) == 2 + accepted
    await _let_pause_pass(scenario)
    await reaper.step()
    repeated = scenario.bus.published[-1]
    assert (repeated.id, repeated.attempt, repeated.target) == (event.id, 1, event.target)
    assert len(scenario.bus.published) == 3 + accepted
    assert "has been published" in (await _refusals(scenario, event))[0]
    assert [row.status for row in await scenario.events(event.user_id)] == ["PROCESSING", "PENDING"]


async def test_a_refusal_after_an_unanswered_call_settles_nothing(
    scenario: Scenario, users: list[UserItem], reaper: Reaper
) -> None:
    event = (await _due(scenario))[0]
    scenario.bus.silent = {event.id}
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    scenario.bus.silent, scenario.bus.refused = set(), {event.id}
    [before] = await scenario.rows("SELECT unconfirmed_until FROM events WHERE id = :id", id=event.id)
    await _let_pause_pass(scenario)
    with pytest.raises(NotPublishedError):
        await reaper.step()
    [after] = await scenario.rows("SELECT status, unconfirmed_until FROM events WHERE id = :id", id=event.id)
    assert (after.status, after.unconfirmed_until) == ("PROCESSING", before.unconfirmed_until)


async def test_an_outcome_settles_an_unanswered_publication(scenario: Scenario, users: list[UserItem]) -> None:
    event = (await _due(scenario))[0]
    scenario.bus.silent = {event.id}
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    await scenario.answer(scenario.outcome(event, OutcomeStatus.FAILED))
    assert [row.status for row in await scenario.events(event.user_id)] == ["FAILED", "PENDING"]


async def test_at_the_end_of_the_horizon_an_event_waits_again_and_can_be_cancelled(
    scenario: Scenario, users: list[UserItem]
) -> None:
    event = (await _due(scenario))[0]
    scenario.bus.silent, scenario.bus.accepts_silently = {event.id}, False
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    runtime = scenario.runtime
    assert await return_unconfirmed(runtime.database, runtime.outbox, scenario.firing) == 0
    await _end_horizon(scenario)
    assert await return_unconfirmed(runtime.database, runtime.outbox, scenario.firing) == 1
    row = await scenario.event(event.user_id)
    assert (row.status, row.unconfirmed_until, row.claimed_until) == ("PENDING", None, None)
    assert row.history[-1]["cause"] == "publication not confirmed"
    await cancel_event(runtime.database, runtime.outbox, RULES, event.id)
    assert (await scenario.event(event.user_id)).status == "CANCELLED"


async def test_claim_lost_during_a_hanging_call_cannot_be_cancelled_and_takes_effect_once(
    scenario: Scenario, users: list[UserItem]
) -> None:
    """A call outlasts the lease, as if the process had stood still. The reaper takes over; cancels come in between."""
    rules = FiringRules(batch=10, lease_seconds=0.01, outcome_seconds=3600, types=RULES)
    runtime, due = scenario.runtime, await _due(scenario)
    taking_over = FakeBus()

    class FrozenBus(FakeBus):
        async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
            await scenario.execute("UPDATE events SET claimed_until = clock_timestamp() WHERE status = 'PROCESSING'")
            assert await return_unconfirmed(runtime.database, runtime.outbox, rules) == 0
            for event in due:
                assert all("is being published" in reason for reason in await _refusals(scenario, event))
            assert await publish_again(runtime.database, runtime.outbox, taking_over, rules, 0) == 3
            for event in due:
                assert all("has been published" in reason for reason in await _refusals(scenario, event))
            return await super().publish(events, now, deadline)

    frozen = FrozenBus()
    assert await fire_due(runtime.database, runtime.outbox, frozen, rules, Priority.CRITICAL) == 3
    assert await _statuses(scenario) == ["PROCESSING"] * 3
    for bus in (taking_over, frozen):
        assert {(event.id, event.attempt) for event in bus.published} == {(event.id, 1) for event in due}
    found = await scenario.rows("SELECT occurrence, count(*) FROM events GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in found] == [("2026", 3), ("2027", 3)]


async def test_a_crash_in_doubt_keeps_its_horizon_from_the_end_of_its_lease(
    scenario: Scenario, users: list[UserItem]
) -> None:
    await scenario.claim(lease_seconds=-60)
    scenario.bus.silent, scenario.bus.accepts_silently = {event.id for event in await _due(scenario)}, False
    runtime = scenario.runtime
    claim = await claims.take_over(
        runtime.database,
        priority=0,
        limit=10,
        token=uuid4(),
        lease_seconds=60,
        outcome_seconds=7200,
    )
    assert claim is not None
    assert claim.unconfirmed == {event.id for event in claim.events}
    rows = await scenario.rows(
        "SELECT unconfirmed_until - clock_timestamp() AS left FROM events WHERE occurrence = '2026'"
    )
    assert all(timedelta(seconds=7130) < row.left <= timedelta(seconds=7140) for row in rows)
