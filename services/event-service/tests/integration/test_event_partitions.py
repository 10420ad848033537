"""Partitions are there for every instant that an event may be given, wherever the clock stands."""

import asyncio
from datetime import UTC, datetime, timedelta

from event_scenario import Scenario, open_without_bus
from sqlalchemy import text

from chassis.database.clock import ManualClock
from event_service.adapters.partitions import Partitions
from event_service.settings import Settings


async def _months(scenario: Scenario) -> set[str]:
    rows = await scenario.rows(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass"
    )
    return {row.name.removeprefix("events_") for row in rows}


async def test_the_first_migration_covers_the_months_around_today(scenario: Scenario) -> None:
    months = await _months(scenario)
    for days in (-20, 0, 366 + 31):
        assert (datetime.now(UTC) + timedelta(days=days)).strftime("%Y_%m") in months


async def test_a_clock_years_away_gets_its_own_months(scenario: Scenario) -> None:
    await scenario.at("2044-02-29T12:00Z")
    assert {"2044_01", "2044_02", "2045_02", "2045_03"} <= await _months(scenario)
    user = scenario.user()
    await scenario.receive(user)
    assert (await scenario.event(user.user_id)).target_timestamp_utc == datetime(2044, 11, 23, 14, tzinfo=UTC)


async def test_a_clock_that_moves_on_is_followed(scenario: Scenario) -> None:
    clock = ManualClock(datetime(2050, 1, 1, tzinfo=UTC))
    partitions = Partitions(scenario.runtime.database, clock)
    for _ in range(30):
        await partitions.cover()
        months = await _months(scenario)
        for days in (-15, 0, 367):
            assert (clock.instant + timedelta(days=days)).strftime("%Y_%m") in months
        clock.advance(timedelta(days=13))


async def test_covering_at_once_from_two_processes_makes_each_month_once(
    scenario: Scenario, settings: Settings
) -> None:
    clock = ManualClock(datetime(2060, 6, 1, tzinfo=UTC))
    before = await _months(scenario)
    async with open_without_bus(settings) as other:
        await asyncio.gather(
            *(Partitions(each.database, clock).cover() for each in (scenario.runtime, other, scenario.runtime))
        )
    assert len(await _months(scenario) - before) == 16


async def test_partitions_have_all_indexes_of_the_whole_and_are_tuned(scenario: Scenario) -> None:
    await scenario.at("2050-01-01T00:00Z")
    rows = await scenario.rows(
        "SELECT c.relname, c.reloptions, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes"
        " FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid WHERE p.inhparent = 'events'::regclass"
    )
    assert {row.indexes for row in rows} == {8}
    assert all("fillfactor=75" in row.reloptions for row in rows)


async def test_a_month_is_made_without_waiting_for_readers_or_writers(scenario: Scenario, settings: Settings) -> None:
    await scenario.at("2026-11-01T00:00Z")
    await scenario.receive(scenario.user())
    async with (
        open_without_bus(settings) as other,
        scenario.runtime.database.transaction() as tx,
    ):
        await tx.execute(text("UPDATE events SET version = version + 1"))
        async with asyncio.timeout(5):
            await Partitions(other.database, ManualClock(datetime(2070, 1, 1, tzinfo=UTC))).cover()
    assert "2070_01" in await _months(scenario)
