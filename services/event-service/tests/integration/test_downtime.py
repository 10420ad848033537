"""After a day without any process: what is inside its grace is delivered, flagged late, and delays nothing due now."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from event_scenario import RULES, Scenario
from uuid_utils.compat import uuid7

from contracts.vocabulary import EventType, Priority
from event_service.adapters import claims, events
from event_service.application import scheduler as scheduling
from event_service.application.firing import FiringRules
from event_service.application.outcomes import sweep_missed
from event_service.application.scheduler import Passed, Scheduler
from event_service.domain.events import Event
from testkit import eventually

BATCH = 20
BACKLOG = 300


async def _events(scenario: Scenario, user_id: UUID, late: list[timedelta], grace: timedelta) -> list[UUID]:
    """One event for each time since its target."""
    async with scenario.runtime.database.transaction() as tx:
        now = await events.current_time(tx)
        made = [
            Event(
                id=uuid7(), target=now - each, schedule_id=None, user_id=user_id, event_type=EventType.NOTIFICATION,
                occurrence=str(number), priority=Priority.LOW, timezone="UTC", grace_until=now - each + grace,
                expires_at=now - each + grace, payload={}, tags=(), email=None, phone=None, traceparent=None,
            )
            for number, each in enumerate(late)
        ]  # fmt: skip
        await events.insert(tx, made)
    return [each.id for each in made]


@pytest.fixture
async def user_id(scenario: Scenario) -> UUID:
    await scenario.at("2026-11-24T12:00Z")
    user = scenario.user(date_of_birth=date(1990, 6, 1), delivery_time=time(9))
    await scenario.receive(user)
    scenario.firing = FiringRules(BATCH, 60, 7200, types=RULES)
    return user.user_id


async def test_day_of_backlog_is_delivered_late_and_fresh_events_go_first(scenario: Scenario, user_id: UUID) -> None:
    backlog = await _events(
        scenario, user_id, [timedelta(hours=24) * (each + 1) / (BACKLOG + 1) for each in range(BACKLOG)],
        timedelta(hours=24),
    )  # fmt: skip
    backlog.reverse()  # the oldest first
    fresh: list[UUID] = []
    claimed = 0
    while True:
        if len(fresh) < 5 * 4:
            # While the backlog is processed, time passes and more events come due.
            fresh += await _events(scenario, user_id, [timedelta(0)] * 4, timedelta(hours=24))
        before = len(scenario.bus.published)
        if not await scenario.fire(Priority.LOW):
            break
        wave = scenario.bus.published[before:]
        just_now = [each.id for each in wave if each.id in fresh]
        assert sorted(just_now) == sorted(fresh[claimed : claimed + 4])  # none had to wait for another round
        if just_now:
            assert len(wave) - len(just_now) == BATCH // 2
        claimed += len(just_now)
    published = [each.id for each in scenario.bus.published]
    assert [id for id in published if id not in fresh] == backlog
    assert len(published) == len(set(published)) == BACKLOG + len(fresh)
    flags = {
        UUID(item["eventId"]): item["late"] for type, item in await scenario.announced() if type == "EventPublished"
    }
    assert all(flags[id] for id in backlog)
    assert not any(flags[id] for id in fresh)


async def test_events_past_their_grace_are_missed_in_batches_and_others_are_delivered(
    scenario: Scenario, user_id: UUID
) -> None:
    past = await _events(scenario, user_id, [timedelta(hours=30)] * 130, timedelta(hours=24))
    late = await _events(scenario, user_id, [timedelta(hours=20)] * 30, timedelta(hours=24))
    runtime = scenario.runtime
    swept = []
    while count := await sweep_missed(runtime.database, runtime.outbox, scenario.rules, limit=50):
        swept.append(count)
    assert swept == [50, 50, 30]
    while await scenario.fire(Priority.LOW):
        pass
    assert {each.id for each in scenario.bus.published} == set(late)
    rows = await scenario.rows("SELECT id FROM events WHERE status = 'MISSED'")
    assert {row.id for row in rows} == set(past)


@pytest.fixture
async def outage(scenario: Scenario, user_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Events past their grace and not yet MISSED, and late events, the oldest first: both after an outage of days."""
    past = await _events(
        scenario, user_id, [timedelta(hours=24, seconds=each) for each in range(2000)], timedelta(hours=24)
    )
    late = await _events(
        scenario, user_id, [timedelta(hours=23, seconds=-each) for each in range(3 * BATCH)], timedelta(hours=24)
    )
    await scenario.execute("ANALYZE events")
    return past, late


def _scheduler(scenario: Scenario) -> Scheduler:
    runtime = scenario.runtime
    return Scheduler(
        runtime.database, runtime.outbox, scenario.bus, scenario.firing, priority=Priority.LOW, poll_seconds=1
    )


async def test_a_busy_scheduler_does_not_look_back_at_every_claim_and_delivers_all_that_is_late(
    scenario: Scenario, user_id: UUID, outage: tuple[list[UUID], list[UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    past, late = outage
    monkeypatch.setattr(scheduling, "LOOK_BACK_SHARE", 1e-9)  # having looked back once, never again
    scheduler = _scheduler(scenario)
    assert await scheduler.step() == 0.0
    [fresh] = await _events(scenario, user_id, [timedelta(0)], timedelta(hours=24))
    [behind] = await _events(scenario, user_id, [timedelta(hours=24)], timedelta(hours=25))
    while not await scheduler.step():
        pass
    published = [each.id for each in scenario.bus.published]
    assert published.index(fresh) < 2 * BATCH
    assert [id for id in published if id != fresh] == late
    assert not {*past, behind} & set(published)


async def test_what_turns_up_late_behind_all_that_was_passed_is_found_in_a_while(
    scenario: Scenario, user_id: UUID, outage: tuple[list[UUID], list[UUID]]
) -> None:
    scheduler = _scheduler(scenario)
    await scheduler.step()
    [behind] = await _events(scenario, user_id, [timedelta(hours=24)], timedelta(hours=25))

    async def fired() -> bool:
        await scheduler.step()
        return any(each.id == behind for each in scenario.bus.published)

    await eventually(fired)


def test_the_longer_a_look_back_takes_the_longer_it_is_not_repeated() -> None:
    first, second = (datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21))
    passed = Passed()
    assert passed.since() == claims.BEGINNING
    passed.looked(claims.BEGINNING, first, 0.0)
    assert passed.since() == claims.BEGINNING
    passed.looked(claims.BEGINNING, first, 60.0)
    assert passed.since() == first
    passed.looked(first, second, 60.0)
    assert passed.since() == second
    passed.looked(second, None, 60.0)
    assert passed.since() == second
