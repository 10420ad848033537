"""Months past their retention are dropped, without blocking, and only if they have no live event."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from event_scenario import Scenario, open_without_bus
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from chassis.database.clock import ManualClock
from event_service.adapters import claims, months
from event_service.adapters.months import Month
from event_service.application.upkeep import Upkeep
from event_service.settings import Settings
from testkit import eventually

_INSERT = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, status, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, history) VALUES (:id, :at, :id, 'REMINDER', 'once', :status, 2, 'UTC', '',"
    " CAST(:at AS timestamptz) + interval '24 h', '{}', '{}', '{}', '[]')"
)


async def _event(scenario: Scenario, at: datetime, status: str) -> None:
    await scenario.execute(_INSERT, id=uuid7(), at=at, status=status)


def _upkeep(scenario: Scenario, now: datetime, days: int = 62) -> Upkeep:
    return Upkeep(scenario.runtime.database, ManualClock(now), retention=timedelta(days=days))


async def _there(scenario: Scenario) -> dict[str, Month]:
    return {each.name: each for each in await months.find_months(scenario.runtime.database)}


@pytest.fixture
async def march(scenario: Scenario) -> datetime:
    """2040: the months from February 2040 on are there."""
    await scenario.at("2040-03-10T00:00Z")
    return datetime(2040, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "gone"), [(datetime(2040, 6, 1, 23, 59, tzinfo=UTC), False), (datetime(2040, 6, 2, tzinfo=UTC), True)]
)
async def test_a_month_goes_once_its_end_is_past_the_retention(
    scenario: Scenario, march: datetime, day: datetime, gone: bool
) -> None:
    for status in ("COMPLETED", "FAILED", "CANCELLED", "MISSED"):
        await _event(scenario, march, status)
    await _upkeep(scenario, day).step()
    assert ("events_2040_03" not in await _there(scenario)) is gone
    [(kept,)] = await scenario.rows("SELECT count(*) FROM events")
    assert kept == (0 if gone else 4)
    assert (await _there(scenario))["events_2040_04"].attached


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
async def test_a_month_with_something_alive_stays(scenario: Scenario, march: datetime, status: str) -> None:
    await _event(scenario, march, status)
    await _event(scenario, march, "COMPLETED")
    await _upkeep(scenario, march + timedelta(days=365)).step()
    there = await _there(scenario)
    assert "events_2040_02" not in there
    assert there["events_2040_03"].attached
    [(kept,)] = await scenario.rows("SELECT count(*) FROM events")
    assert kept == 2


async def test_no_claim_waits_while_a_month_goes(scenario: Scenario, march: datetime, settings: Settings) -> None:
    await _event(scenario, march - timedelta(hours=1), "PENDING")
    month = (await _there(scenario))["events_2040_02"]
    async with open_without_bus(settings) as other:
        async with scenario.runtime.database.transaction() as tx:
            # It has read every month, so that the one that goes waits for it.
            await tx.execute(text("SELECT count(*) FROM events"))
            going = asyncio.create_task(months.retire(other.database, month))
            await eventually(lambda: _waits(scenario))
            async with asyncio.timeout(5):
                claim = await claims.claim_due(
                    scenario.runtime.database, priority=2, limit=10, token=uuid4(), lease_seconds=60
                )
            assert claim is not None
            assert not going.done()
        assert await going
    assert "events_2040_02" not in await _there(scenario)


async def _waits(scenario: Scenario) -> bool:
    return bool(
        await scenario.rows(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'ALTER TABLE events%'"
            " AND wait_event_type = 'Lock'"
        )
    )


async def test_a_detachment_that_was_cut_short_is_finished(scenario: Scenario, march: datetime) -> None:
    month = (await _there(scenario))["events_2040_02"]
    async with scenario.runtime.database.transaction() as tx:
        await tx.execute(text("SELECT count(*) FROM events"))
        going = asyncio.create_task(months.retire(scenario.runtime.database, month))
        await eventually(lambda: _waits(scenario))
        await scenario.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'ALTER TABLE events%'"
        )
        with pytest.raises((DBAPIError, asyncpg.PostgresError)):
            await going
    assert (await _there(scenario))["events_2040_02"].leaving
    await _upkeep(scenario, march + timedelta(days=365)).step()
    assert "events_2040_02" not in await _there(scenario)


@pytest.mark.parametrize("alive", [True, False])
async def test_a_month_that_was_left_by_itself_is_dropped_or_comes_back(
    scenario: Scenario, march: datetime, alive: bool
) -> None:
    await _event(scenario, march, "PROCESSING" if alive else "COMPLETED")
    await scenario.execute("ALTER TABLE events DETACH PARTITION events_2040_03")
    await _upkeep(scenario, march + timedelta(days=365)).step()
    there = await _there(scenario)
    assert ("events_2040_03" in there) is alive
    [(kept,)] = await scenario.rows("SELECT count(*) FROM events")
    assert kept == int(alive)


async def test_a_month_by_itself_that_is_not_past_comes_back(scenario: Scenario, march: datetime) -> None:
    await _event(scenario, march, "COMPLETED")
    await scenario.execute("ALTER TABLE events DETACH PARTITION events_2040_03")
    await _upkeep(scenario, march).step()
    assert (await _there(scenario))["events_2040_03"].attached


async def test_one_process_at_a_time_does_the_upkeep(scenario: Scenario, march: datetime, settings: Settings) -> None:
    late = march + timedelta(days=365)
    await Upkeep(scenario.runtime.database, ManualClock(march), retention=timedelta(days=62)).step()
    async with open_without_bus(settings) as other:
        await Upkeep(other.database, ManualClock(late), retention=timedelta(days=62)).step()
    assert "events_2040_02" in await _there(scenario)


async def test_the_months_in_use_are_analyzed_once_a_day(scenario: Scenario, march: datetime) -> None:
    hot = ["events_2040_02", "events_2040_03", "events_2040_04"]
    upkeep = _upkeep(scenario, march)
    await upkeep.step()
    analyzed = (
        "SELECT relname AS name, last_analyze AS at, analyze_count AS times FROM pg_stat_user_tables"
        " WHERE relname LIKE 'events\\_20%' AND last_analyze IS NOT NULL ORDER BY relname"
    )
    first = await eventually(lambda: scenario.rows(analyzed))
    assert [row.name for row in first] == hot
    await upkeep.step()
    assert await scenario.rows(analyzed) == first
