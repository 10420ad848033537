"""Schedulers wake for near events, not for far ones, and poll if they cannot be woken."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest
from event_scenario import RULES, FakeBus, Scenario

from chassis.core.lifecycle import Loop
from chassis.service.runtime import Runtime
from contracts.vocabulary import OutcomeStatus, Priority
from event_service.application import broadcasts
from event_service.application.firing import FiringRules
from event_service.application.scheduler import Scheduler
from event_service.domain.events import Event, Published
from event_service.roles import maintenance
from event_service.settings import Settings
from testkit import eventually

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
    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        self.published_at = datetime.now(UTC)
        return await super().publish(events, now, deadline)


async def test_a_sleeping_scheduler_fires_what_is_inserted_for_now(
    scenario: Scenario, runtime: Runtime[Settings]
) -> None:
    bus, stopping = PromptBus(), asyncio.Event()
    wake = runtime.listener.event("events_due_2")
    # A poll that no test would live to see: only a notification can wake it.
    scheduler = Scheduler(
        runtime.database,
        runtime.outbox,
        bus,
        FiringRules(10, 60, 7200, 0.1, types=RULES),
        priority=2,
        poll_seconds=3600,
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


async def test_scheduler_without_notifications_polls(scenario: Scenario, runtime: Runtime[Settings]) -> None:
    bus, stopping = FakeBus(), asyncio.Event()
    scheduler = Scheduler(
        runtime.database,
        runtime.outbox,
        bus,
        FiringRules(10, 60, 7200, 0.1, types=RULES),
        priority=2,
        poll_seconds=0.05,
    )
    role = asyncio.create_task(Loop("scheduler", scheduler.step).run(stopping))
    await _insert(scenario, (0.0, 2))
    await eventually(lambda: len(bus.published) == 1)
    stopping.set()
    await role


@pytest.fixture
async def maintained(connected: Runtime[Settings], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime[Settings]]:
    """Maintenance runs, and would not look again by itself before this test is long over."""
    monkeypatch.setattr(broadcasts, "IDLE_SECONDS", 3600.0)
    patient = connected.settings.model_copy(update={"reap_seconds": 3600.0})
    runtime, stopping = replace(connected, settings=patient), asyncio.Event()
    roles = [asyncio.create_task(role.run(stopping)) for role in (*maintenance(runtime), runtime.listener)]
    await eventually(lambda: _listens(Scenario(runtime)))
    yield runtime
    stopping.set()
    await asyncio.gather(*roles)


async def test_a_retry_that_is_asked_for_wakes_the_reaper(
    maintained: Runtime[Settings], scenario: Scenario, editor: httpx.AsyncClient
) -> None:
    user = scenario.user()
    await scenario.receive(user)
    asked = await editor.post("/v1/events", json={"userId": str(user.user_id), "at": "now"})
    assert await scenario.fire(Priority.LOW) == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0], OutcomeStatus.FAILED))
    again = await editor.post(f"/v1/events/{asked.json()['id']}/retry")
    assert again.status_code == 200, again.text
    queue = maintained.topology.queue(Priority.LOW).name
    assert await eventually(lambda: maintained.bus.depth(queue)) == 1


@pytest.mark.usefixtures("maintained")
async def test_broadcast_wakes_the_process_that_creates_its_events(
    scenario: Scenario, editor: httpx.AsyncClient
) -> None:
    await scenario.receive(scenario.user(), scenario.user())
    asked = await editor.post("/v1/broadcasts", json={"audience": {"all": True}, "at": "now"})
    assert asked.status_code in (201, 202), asked.text

    async def made() -> bool:
        rows = await scenario.rows("SELECT 1 FROM events WHERE broadcast_id = :id", id=UUID(asked.json()["id"]))
        return len(rows) == 2

    await eventually(made)
