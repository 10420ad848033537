"""Schedulers wake for what is near, sleep through what is not, and poll where nobody can wake them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime

import asyncpg
import pytest
from event_scenario import FakeBus, Scenario

from chassis.lifecycle import Loop
from chassis.runtime import Runtime
from contracts.vocabulary import Priority
from event_service.application.firing import FiringRules
from event_service.application.scheduler import Scheduler
from event_service.domain.events import Event, Published
from event_service.settings import Settings
from local_stack.testkit import eventually

_INSERT = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, history)"
    " SELECT gen_random_uuid(), almanac_now() + make_interval(secs => at), gen_random_uuid(), 'REMINDER', 'once',"
    " priority, 'UTC', '', almanac_now() + interval '24 h', '{}', '{}', '{}', '[]'"
    " FROM unnest(CAST(:seconds AS float8[]), CAST(:priorities AS int[])) AS e (at, priority)"
)


async def _insert(scenario: Scenario, *events: tuple[float, int]) -> None:
    """Events by seconds from now and priority, by one statement."""
    seconds, priorities = zip(*events, strict=True)
    await scenario.execute(_INSERT, seconds=list(seconds), priorities=list(priorities))


@pytest.fixture
async def heard(settings: Settings) -> AsyncIterator[list[str]]:
    """The channels that were notified, in order, by commit."""
    channels: list[str] = []
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    for priority in Priority:
        await connection.add_listener(f"events_due_{priority.value}", lambda *heard: channels.append(heard[2]))
    await connection.add_listener("marker", lambda *heard: channels.append(heard[2]))
    yield channels
    await connection.close()


async def _until_marker(scenario: Scenario, heard: list[str]) -> list[str]:
    await scenario.execute("SELECT pg_notify('marker', '')")
    await eventually(lambda: heard[-1:] == ["marker"])
    channels = heard[:-1]
    heard.clear()
    return sorted(channels)


async def test_only_what_is_near_notifies_each_priority_once_in_a_statement(
    scenario: Scenario, heard: list[str]
) -> None:
    await _insert(scenario, *((60.0 + each, each % 4) for each in range(8)))
    assert await _until_marker(scenario, heard) == []
    await _insert(scenario, (0.0, 0), (-5.0, 0), (1.5, 3), (60.0, 2))
    assert await _until_marker(scenario, heard) == ["events_due_0", "events_due_3"]


async def test_near_is_meant_in_real_time(scenario: Scenario, heard: list[str]) -> None:
    await scenario.at("2026-11-23T12:00Z")
    await _insert(scenario, (0.001, 0))
    assert await _until_marker(scenario, heard) == []  # the clock stands still
    await scenario.execute("UPDATE clock_map SET speed = 3600, real_anchor = clock_timestamp()")
    await _insert(scenario, (3600.0, 1), (3 * 3600.0, 2))
    assert await _until_marker(scenario, heard) == ["events_due_1"]


async def test_a_user_who_moves_into_a_zone_where_it_is_time_wakes_the_scheduler(
    scenario: Scenario, heard: list[str]
) -> None:
    await scenario.at("2026-11-23T12:00Z")
    user = scenario.user(date_of_birth=date(1990, 11, 23))
    await scenario.receive(user)
    assert await _until_marker(scenario, heard) == []
    await scenario.receive(scenario.user(user.user_id, 2, timezone="Europe/Berlin"))
    assert await _until_marker(scenario, heard) == ["events_due_0"]


class PromptBus(FakeBus):
    async def publish(self, events: Sequence[Event], now: datetime) -> list[Published]:
        self.published_at = datetime.now(UTC)
        return await super().publish(events, now)


async def test_a_sleeping_scheduler_fires_what_is_inserted_for_now(
    scenario: Scenario, runtime: Runtime[Settings]
) -> None:
    bus, stopping = PromptBus(), asyncio.Event()
    wake = runtime.listener.event("events_due_2")
    # A poll that no test would live to see: only a notification can wake it.
    scheduler = Scheduler(
        runtime.database, runtime.outbox, bus, FiringRules(10, 60, 7200, 0.1), priority=2, poll_seconds=3600
    )
    roles = [
        asyncio.create_task(role.run(stopping))
        for role in (runtime.listener, Loop("scheduler", scheduler.step, wake=wake))
    ]
    await eventually(lambda: _listens(scenario))
    await _insert(scenario, (0.0, 2))
    await eventually(lambda: len(bus.published) == 1)
    await _insert(scenario, (0.3, 2))
    await eventually(lambda: len(bus.published) == 2)
    assert bus.published_at >= bus.published[-1].target
    stopping.set()
    await asyncio.gather(*roles)


async def _listens(scenario: Scenario) -> bool:
    return bool(
        await scenario.rows(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    )


async def test_a_scheduler_that_nobody_can_wake_polls(scenario: Scenario, runtime: Runtime[Settings]) -> None:
    bus, stopping = FakeBus(), asyncio.Event()
    scheduler = Scheduler(
        runtime.database, runtime.outbox, bus, FiringRules(10, 60, 7200, 0.1), priority=2, poll_seconds=0.05
    )
    role = asyncio.create_task(Loop("scheduler", scheduler.step).run(stopping))
    await _insert(scenario, (0.0, 2))
    await eventually(lambda: len(bus.published) == 1)
    stopping.set()
    await role
