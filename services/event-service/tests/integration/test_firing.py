"""The claim and what follows it: back-pressure, leases, order, grace, refusals."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

import pytest
from event_scenario import GRACE, RULES, FakeBus, Scenario, open_without_bus

from contracts.vocabulary import Priority
from event_service.adapters import claims
from event_service.application.firing import FiringRules, NotPublishedError, fire_due
from event_service.application.scheduler import FULL_QUEUE_SECONDS, Scheduler
from event_service.domain.events import Event, Published
from event_service.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def before(scenario: Scenario) -> None:
    await scenario.at("2026-11-01T00:00Z")


async def _users(scenario: Scenario, *times: time) -> None:
    """One user for each delivery time, on 23 November in UTC."""
    await scenario.receive(
        *(scenario.user(timezone="UTC", date_of_birth=date(2000, 11, 23), delivery_time=at) for at in times)
    )
    await scenario.announced()


async def test_due_event_is_claimed_with_a_lease_published_and_stamped(scenario: Scenario) -> None:
    await _users(scenario, time(12), time(12, 0, 1))
    now = await scenario.at("2026-11-23T12:00Z")
    assert await scenario.fire() == 1
    [fired] = scenario.bus.published
    assert (fired.target, fired.attempt, fired.payload) == (NOON, 1, {"message": "Hey, Ada Lovelace!"})
    [row] = await scenario.rows(
        "SELECT *, extract(epoch FROM claimed_until - clock_timestamp()) AS waits FROM events WHERE id = :id",
        id=fired.id,
    )
    assert (row.status, row.published_at) == ("PROCESSING", now)
    assert row.claim_token is not None
    assert 7100 < row.waits <= 7200  # the lease has become the time to wait for the outcome
    assert [step["cause"] for step in row.history] == ["scheduled", "claimed"]
    (type, item), (successor, _) = await scenario.announced()
    assert (type, successor) == ("EventPublished", "EventScheduled")
    assert (item["late"], item["latenessSeconds"]) == (False, 0.0)
    assert item["claimedAt"] == item["occurredAt"] == "2026-11-23T12:00:00Z"


async def test_an_instant_early_nothing_is_claimed(scenario: Scenario) -> None:
    await _users(scenario, time(12))
    await scenario.at("2026-11-23T11:59:59.999999Z")
    assert await scenario.fire() == 0
    await scenario.at("2026-11-23T12:00Z")
    assert await scenario.fire() == 1
    assert await scenario.fire() == 0


async def test_a_priority_is_claimed_alone(scenario: Scenario) -> None:
    await _users(scenario, time(12))
    await scenario.execute("UPDATE events SET priority = 2")
    await scenario.at("2026-11-23T12:00Z")
    assert [await scenario.fire(priority) for priority in Priority] == [0, 0, 1, 0]


async def test_the_oldest_come_first_and_no_more_than_a_batch(scenario: Scenario) -> None:
    scenario.firing = FiringRules(batch=2, lease_seconds=60, outcome_seconds=60, types=RULES)
    await _users(scenario, time(11), time(9), time(10), time(8), time(11, 30))
    await scenario.at("2026-11-23T12:00Z")
    assert [await scenario.fire() for _ in range(4)] == [2, 2, 1, 0]
    assert [event.target.hour for event in scenario.bus.published] == [8, 9, 10, 11, 11]


async def test_no_more_is_claimed_than_the_queue_has_room_for(scenario: Scenario) -> None:
    await _users(scenario, *[time(12)] * 5)
    await scenario.at("2026-11-23T12:00Z")
    for space, fired, waiting in [(0, None, 5), (-3, None, 5), (2, 2, 3), (1000, 3, 0)]:
        scenario.bus.space = space
        assert await scenario.fire() == fired
        [(count,)] = await scenario.rows("SELECT count(*) FROM events WHERE status = 'PENDING' AND occurrence = '2026'")
        assert count == waiting


async def test_late_is_fired_inside_the_grace_and_not_at_its_end(scenario: Scenario) -> None:
    await _users(scenario, time(12), time(12, 0, 1))
    assert datetime(2026, 11, 26, 12, tzinfo=UTC) == NOON + GRACE
    await scenario.at("2026-11-26T12:00Z")
    assert await scenario.fire() == 1
    (_, item), _ = await scenario.announced()
    assert item["late"] is True
    assert item["latenessSeconds"] == (GRACE - timedelta(seconds=1)).total_seconds()


async def test_event_refused_by_the_bus_is_pending_again_and_counted(scenario: Scenario) -> None:
    await _users(scenario, time(12), time(12), time(12))
    refused = (await scenario.rows("SELECT id FROM events LIMIT 1"))[0].id
    scenario.bus.refused = {refused}
    await scenario.at("2026-11-23T12:00Z")
    with pytest.raises(NotPublishedError, match="1 of 3 events not published, the first because: no"):
        await scenario.fire()
    [row] = await scenario.rows("SELECT * FROM events WHERE status = 'PENDING' AND occurrence = '2026'")
    assert (row.id, row.claim_token, row.claimed_until, row.published_at) == (refused, None, None, None)
    assert [step["cause"] for step in row.history] == ["scheduled", "claimed", "not published"]
    assert await scenario.announced_types() == ["EventPublished"] * 2 + ["EventScheduled"] * 2
    scenario.bus.refused = set()
    assert await scenario.fire() == 1
    assert Counter(event.id for event in scenario.bus.published).most_common(1)[0][1] == 1


async def test_what_is_refused_after_its_user_was_deleted_is_cancelled(scenario: Scenario) -> None:
    user = scenario.user()
    await scenario.receive(user)
    await scenario.at("2026-11-23T14:00Z")

    class SlowBus(FakeBus):
        async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
            await scenario.delete(user.user_id)
            return await super().publish(events, now, deadline)

    scenario.bus = SlowBus(refused={(await scenario.event(user.user_id)).id})
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    event = await scenario.event(user.user_id)
    assert (event.status, event.payload, event.contact) == ("CANCELLED", {}, {})


async def test_a_stamp_needs_the_token_of_the_claim(scenario: Scenario) -> None:
    await _users(scenario, time(12))
    await scenario.at("2026-11-23T12:00Z")
    database = scenario.runtime.database
    claim = await claims.claim_due(database, priority=0, limit=10, token=uuid4(), lease_seconds=60)
    assert claim is not None
    async with database.transaction() as tx:
        await claims.stamp(tx, uuid4(), claim.events, outcome_seconds=60)
        assert await claims.give_back(tx, uuid4(), claim.events) == []
    [row] = await scenario.rows("SELECT status, published_at FROM events")
    assert (row.status, row.published_at) == ("PROCESSING", None)
    async with database.transaction() as tx:
        await claims.stamp(tx, claim.token, claim.events, outcome_seconds=60)
    [row] = await scenario.rows("SELECT status, published_at FROM events")
    assert (row.status, row.published_at) == ("PROCESSING", claim.now)


async def test_two_schedulers_at_once_claim_nothing_twice(scenario: Scenario, settings: Settings) -> None:
    events, rounds = 400, 0
    await _users(scenario, *[time(12)] * events)
    await scenario.at("2026-11-23T12:00Z")
    async with open_without_bus(settings) as other:
        schedulers = [scenario.runtime, scenario.runtime, other, other]
        rules = FiringRules(batch=7, lease_seconds=60, outcome_seconds=60, types=RULES)
        while True:
            fired = await asyncio.gather(
                *(fire_due(each.database, each.outbox, scenario.bus, rules, 0) for each in schedulers)
            )
            rounds += 1
            if not any(fired):
                break
    assert rounds > events / (7 * len(schedulers))
    assert len(scenario.bus.published) == events
    assert len({event.id for event in scenario.bus.published}) == events
    assert Counter(await scenario.announced_types()) == {"EventPublished": events, "EventScheduled": events}
    found = await scenario.rows("SELECT occurrence, status, count(*) FROM events GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row) for row in found] == [("2026", "PROCESSING", events), ("2027", "PENDING", events)]


async def test_a_scheduler_sleeps_until_the_next_is_due_and_no_longer_than_its_poll(scenario: Scenario) -> None:
    await _users(scenario, time(12))
    runtime = scenario.runtime
    scheduler = Scheduler(
        runtime.database, runtime.outbox, scenario.bus, scenario.firing, priority=0, poll_seconds=0.75
    )
    scenario.bus.space = 0
    # Nothing is due, so the full queue is not even looked at.
    assert await scheduler.step() == 0.75
    await scenario.at("2026-11-23T12:00Z")
    assert await scheduler.step() == FULL_QUEUE_SECONDS
    scenario.bus.space = 10
    assert await scheduler.step() == 0.0
    assert len(scenario.bus.published) == 1
    await scenario.execute("UPDATE events SET status = 'PENDING'")
    await scenario.runs_from("2026-11-23T11:59:59.7Z")
    assert 0.0 < await scheduler.step() <= 0.3
