"""Which events a claim takes first: the fresh before the backlog, and a little ahead of time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest
from event_scenario import RULES, FakeBus, Scenario
from uuid_utils.compat import uuid7

from contracts.vocabulary import Priority
from event_service.adapters import claims
from event_service.application.firing import FiringRules, NotPublishedError, fire_due
from event_service.domain.events import Event, Published

_INSERT = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, history) SELECT id, almanac_now() + make_interval(secs => at), :user_id,"
    " 'REMINDER', 'once', :priority, 'UTC', '', almanac_now() + interval '24 h', '{}', '{}', '{}', '[]'"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:seconds AS float8[])) AS e (id, at)"
)


async def _due(scenario: Scenario, *seconds: float, user_id: UUID | None = None) -> list[UUID]:
    """One event for each number of seconds from now; negative ones are late."""
    ids = [uuid7() for _ in seconds]
    await scenario.execute(
        _INSERT, ids=ids, seconds=list(seconds), priority=Priority.NORMAL, user_id=user_id or uuid7()
    )
    return ids


async def _claimed(scenario: Scenario, limit: int, *, ahead: float = 0.0) -> list[UUID]:
    claim = await claims.claim_due(
        scenario.runtime.database,
        priority=Priority.NORMAL,
        limit=limit,
        token=uuid7(),
        lease_seconds=60,
        ahead_seconds=ahead,
    )
    return [event.id for event in claim.events] if claim else []


@pytest.fixture(autouse=True)
async def noon(scenario: Scenario) -> datetime:
    return await scenario.at("2026-11-23T12:00Z")


async def test_while_something_fresh_waits_the_backlog_gets_half_of_a_claim(scenario: Scenario) -> None:
    backlog = await _due(scenario, *(-3600 + each for each in range(8)))
    fresh = await _due(scenario, *(-50 + each for each in range(9)))
    assert await _claimed(scenario, 6) == fresh[:6]
    assert await _claimed(scenario, 6) == [*backlog[:3], *fresh[6:]]
    assert await _claimed(scenario, 6) == backlog[3:]


async def test_a_little_that_is_fresh_leaves_the_backlog_its_half_and_no_more(scenario: Scenario) -> None:
    backlog = await _due(scenario, *(-3600 + each for each in range(8)))
    [fresh] = await _due(scenario, -1)
    assert await _claimed(scenario, 6) == [*backlog[:3], fresh]


async def test_late_begins_after_a_minute_and_every_event_is_one_or_the_other(scenario: Scenario) -> None:
    late, fresh = await _due(scenario, -60, -59.999)
    assert await _claimed(scenario, 1) == [fresh]
    assert await _claimed(scenario, 1) == [late]


async def test_the_backlog_of_months_goes_oldest_first(scenario: Scenario) -> None:
    ids = await _due(scenario, *(-86_400 * days for days in (25, 20, 3, 1)))
    assert await _claimed(scenario, 3) == ids[:3]


@pytest.mark.parametrize(("speed", "reach"), [(1, 0.5), (0, 0), (2880, 1440)])
async def test_a_claim_reaches_ahead_in_real_time(scenario: Scenario, speed: float, reach: float) -> None:
    await scenario.execute("UPDATE clock_map SET speed = :speed, real_anchor = clock_timestamp()", speed=speed)
    inside, _ = await _due(scenario, 0.9 * reach, 100 * reach + 1)
    assert await _claimed(scenario, 10, ahead=0.5) == [inside]


async def test_nothing_is_claimed_ahead_of_a_clock_that_will_stop_before(scenario: Scenario) -> None:
    await scenario.execute(
        "UPDATE clock_map SET speed = 1, real_anchor = clock_timestamp(), stops_at = simulated_anchor + interval '60 s'"
    )
    before, _ = await _due(scenario, 30, 90)
    assert await _claimed(scenario, 10, ahead=300) == [before]


@dataclass
class TimedBus(FakeBus):
    """Keeps when each event was published, and as of when."""

    times: list[tuple[UUID, datetime, datetime]] = field(default_factory=list)

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        self.times.extend((event.id, datetime.now(UTC), now) for event in events)
        return await super().publish(events, now, deadline)


@pytest.fixture
async def real_time(scenario: Scenario) -> None:
    await scenario.execute("DELETE FROM clock_map")


@pytest.mark.usefixtures("real_time")
async def test_event_claimed_ahead_is_published_when_due_and_never_before(scenario: Scenario) -> None:
    bus, rules = TimedBus(), FiringRules(100, 60, 7200, ahead_seconds=0.4, types=RULES)
    ids = await _due(scenario, -1, 0.15, 0.15, 0.3)
    targets = {row.id: row.at for row in await scenario.rows("SELECT id, target_timestamp_utc AS at FROM events")}
    runtime = scenario.runtime
    assert await fire_due(runtime.database, runtime.outbox, bus, rules, Priority.NORMAL) == 4
    assert [id for id, _, _ in bus.times] == ids
    assert all(at >= targets[id] and now >= targets[id] for id, at, now in bus.times)
    announced = [item for _, item in await scenario.announced()]
    assert all(item["latenessSeconds"] >= 0 for item in announced)
    [(stamped,)] = await scenario.rows("SELECT count(*) FROM events WHERE published_at >= target_timestamp_utc")
    assert stamped == 4


@pytest.mark.usefixtures("real_time")
async def test_event_claimed_ahead_and_refused_by_the_bus_is_returned_at_once(scenario: Scenario) -> None:
    user = scenario.user()
    await scenario.receive(user)
    [first, _, _] = await _due(scenario, -1, 30, 31, user_id=user.user_id)
    bus, rules = TimedBus(refused={first}), FiringRules(100, 60, 7200, ahead_seconds=60, types=RULES)
    runtime = scenario.runtime
    with pytest.raises(NotPublishedError, match="3 of 3 events not published, the first because: no"):
        await fire_due(runtime.database, runtime.outbox, bus, rules, Priority.NORMAL)
    rows = await scenario.rows("SELECT status, claim_token, published_at FROM events WHERE event_type = 'REMINDER'")
    assert {tuple(row) for row in rows} == {("PENDING", None, None)}
    assert [id for id, _, _ in bus.times] == [first]  # the others were not waited for
