"""The successor of an occurrence is made when its firing is first recorded, and every slot ends with a record."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from event_scenario import RULES, FakeBus, Scenario, event_id

from contracts.vocabulary import EventType, OutcomeStatus, Priority
from event_service.application import next_occurrence
from event_service.application.firing import publish_again
from event_service.application.outcomes import sweep_missed
from event_service.application.reaping import Reaper
from event_service.application.schedules import create_schedule
from event_service.domain.events import Event, Published
from event_service.domain.patterns import Kind, PatternParts
from event_service.domain.schedule_requests import NewSchedule
from event_service.domain.schedules import CatchUp

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def _hourly(scenario: Scenario) -> UUID:
    """A reminder of each full hour, from 2026-10-05T00:00Z on. Returns its user."""
    await scenario.at("2026-10-04T23:30Z")
    user = scenario.user(timezone="UTC")
    await scenario.receive(user)
    parts = PatternParts(Kind.RRULE, start=datetime(2026, 10, 5), rrule="FREQ=HOURLY")  # noqa: DTZ001 - a local time
    settings = {"catch_up": CatchUp.ALL}
    new = NewSchedule(user.user_id, EventType.REMINDER, "Water", parts, settings=settings)
    await create_schedule(scenario.runtime.database, scenario.runtime.outbox, RULES, new, None)
    await scenario.announced()
    return user.user_id


async def _statuses(scenario: Scenario) -> list[tuple[str, str]]:
    rows = await scenario.rows(
        "SELECT occurrence, status FROM events WHERE event_type = 'REMINDER' ORDER BY target_timestamp_utc"
    )
    return [tuple(row) for row in rows]


async def test_the_stamp_makes_the_successor_in_the_trace_of_the_publication(scenario: Scenario) -> None:
    await scenario.at("2026-11-01T00:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.at("2026-11-23T14:00Z")
    await scenario.announced()
    scenario.bus.traceparent = TRACE
    assert await scenario.fire() == 1
    fired, successor = await scenario.events(user.user_id)
    assert (fired.status, successor.status) == ("PROCESSING", "PENDING")
    assert (successor.id, successor.traceparent) == (event_id(user.user_id, 2027), TRACE)
    schedule = await scenario.schedule(user.user_id)
    assert (schedule.live_event_id, schedule.last_occurrence) == (successor.id, "2026")
    announced = await scenario.announced()
    assert [(type, item["occurrence"]) for type, item in announced] == [
        ("EventPublished", "2026"),
        ("EventScheduled", "2027"),
    ]
    assert {item["traceparent"] for _, item in announced} == {TRACE}


async def test_hourly_rule_continues_while_no_delivery_has_ended(scenario: Scenario) -> None:
    await _hourly(scenario)
    first = datetime.fromisoformat("2026-10-05T00:00Z")
    for hour in range(40):
        await scenario.at((first + timedelta(hours=hour)).isoformat())
        assert await scenario.fire(Priority.NORMAL) == 1
        assert Counter(status for _, status in await _statuses(scenario)) == {"PROCESSING": hour + 1, "PENDING": 1}
    assert [event.target for event in scenario.bus.published] == [first + timedelta(hours=n) for n in range(40)]


async def test_outcomes_in_any_order_end_each_its_own_occurrence(scenario: Scenario) -> None:
    await _hourly(scenario)
    for hour in range(3):
        await scenario.at(f"2026-10-05T0{hour}:00Z")
        assert await scenario.fire(Priority.NORMAL) == 1
    first, second, third = scenario.bus.published
    await scenario.answer(scenario.outcome(third), scenario.outcome(first, OutcomeStatus.FAILED))
    await scenario.answer(scenario.outcome(second))
    assert [status for _, status in await _statuses(scenario)] == ["FAILED", "COMPLETED", "COMPLETED", "PENDING"]


async def test_a_repeated_publication_makes_no_second_successor(scenario: Scenario) -> None:
    await _hourly(scenario)
    await scenario.at("2026-10-05T00:00Z")
    assert await scenario.fire(Priority.NORMAL) == 1
    before = await _statuses(scenario)
    await scenario.execute("UPDATE events SET claimed_until = clock_timestamp() WHERE status = 'PROCESSING'")
    runtime = scenario.runtime
    assert await publish_again(runtime.database, runtime.outbox, scenario.bus, scenario.firing, Priority.NORMAL) == 1
    assert len(scenario.bus.published) == 2
    assert await _statuses(scenario) == before


async def test_an_outcome_that_overtakes_the_stamp_makes_the_only_successor(scenario: Scenario) -> None:
    await _hourly(scenario)
    await scenario.at("2026-10-05T00:00Z")

    class QuickReceiver(FakeBus):
        async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
            await scenario.answer(*(scenario.outcome(event) for event in events))
            return await super().publish(events, now, deadline)

    scenario.bus = QuickReceiver()
    assert await scenario.fire(Priority.NORMAL) == 1
    assert [status for _, status in await _statuses(scenario)] == ["COMPLETED", "PENDING"]
    assert Counter(await scenario.announced_types()) == {
        "EventCompleted": 1,
        "EventPublished": 1,
        "EventScheduled": 1,
    }


async def test_a_user_deleted_during_the_publication_gets_no_successor(scenario: Scenario) -> None:
    user_id = await _hourly(scenario)
    await scenario.at("2026-10-05T00:00Z")

    class SlowBus(FakeBus):
        async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
            await scenario.delete(user_id)
            return await super().publish(events, now, deadline)

    scenario.bus = SlowBus()
    assert await scenario.fire(Priority.NORMAL) == 1
    assert [status for _, status in await _statuses(scenario)] == ["PROCESSING"]


@pytest.mark.parametrize("at_once", [1000, 7])
async def test_every_slot_of_an_outage_longer_than_the_grace_ends_with_a_record(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(next_occurrence, "MISSED_AT_ONCE", at_once)
    await _hourly(scenario)
    now = await scenario.at("2026-10-07T12:30Z")
    runtime = scenario.runtime
    while await sweep_missed(runtime.database, runtime.outbox, RULES, limit=50):
        pass
    while await scenario.fire(Priority.NORMAL):
        pass
    first = datetime.fromisoformat("2026-10-05T00:00Z")
    slots = [first + timedelta(hours=n) for n in range(62)]
    assert await _statuses(scenario) == [
        (
            f"{slot:%Y-%m-%dT%H:%M:%S}",
            "MISSED" if slot + timedelta(hours=24) <= now else "PROCESSING" if slot <= now else "PENDING",
        )
        for slot in slots
    ]
    announced = Counter(await scenario.announced_types())
    assert (announced["EventMissed"], announced["EventPublished"]) == (37, 24)
    assert announced["EventScheduled"] == 61  # but the first, which was made with the schedule


async def test_the_reaper_records_missed_slots_without_a_pause(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_occurrence, "MISSED_AT_ONCE", 10)
    await _hourly(scenario)
    await scenario.at("2026-10-07T12:30Z")
    runtime = scenario.runtime
    reaper = Reaper(runtime.database, runtime.outbox, FakeBus(), scenario.firing, RULES, every_seconds=5.0)
    assert [await reaper.step() for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 5.0]
    assert Counter(status for _, status in await _statuses(scenario)) == {"MISSED": 37, "PENDING": 1}
