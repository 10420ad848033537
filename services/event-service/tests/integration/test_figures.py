"""The gauges of the events as a whole."""

from datetime import datetime

import pytest
from event_scenario import Scenario, open_without_bus

from event_service.adapters import figures
from event_service.application.figures import HOURS, Figures
from event_service.settings import Settings

_FILL = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, status, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, history) SELECT gen_random_uuid(), almanac_now() - make_interval(secs => n),"
    " gen_random_uuid(), 'REMINDER', 'once', :status, :priority, 'UTC', '', almanac_now() + interval '24 h', '{}',"
    " '{}', '{}', '[]' FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"
)


async def _fill(scenario: Scenario, priority: int, first: int, last: int, status: str = "PENDING") -> None:
    """One event for each number of seconds ago."""
    await scenario.execute(_FILL, priority=priority, first=first, last=last, status=status)


@pytest.fixture(autouse=True)
async def noon(scenario: Scenario) -> datetime:
    return await scenario.at("2026-11-23T12:00Z")


async def test_due_and_overdue_events_are_exported_by_priority(scenario: Scenario) -> None:
    await _fill(scenario, 0, 0, 9)
    await _fill(scenario, 2, 55, 64)
    await _fill(scenario, 2, 100, 104, status="COMPLETED")
    await _fill(scenario, 3, -10, -1)
    gauges = Figures(scenario.runtime.database, scenario.runtime.clock)
    await gauges.step()
    assert {each.attributes["priority"]: each.value for each in gauges.due() if each.attributes} == {
        "CRITICAL": 10, "HIGH": 0, "NORMAL": 10, "LOW": 0,
    }  # fmt: skip
    assert [each.value for each in gauges.overdue()] == [0, 0, 5, 0]
    assert [each.value for each in gauges.oldest()] == [9, 0, 64, 0]
    assert {each.attributes["status"]: each.value for each in gauges.live() if each.attributes} == {
        "PENDING": 30, "PROCESSING": 0,
    }  # fmt: skip


def _ended(gauges: Figures) -> dict[object, int | float]:
    return {each.attributes["status"]: each.value for each in gauges.ended() if each.attributes}


async def test_ended_events_are_exported_by_status_for_a_day(scenario: Scenario) -> None:
    hour = 3_600
    await _fill(scenario, 0, 1, 10, status="COMPLETED")
    await _fill(scenario, 1, hour * 23 - 4, hour * 23, status="COMPLETED")
    await _fill(scenario, 1, hour * 24 + 1, hour * 24 + 5, status="COMPLETED")
    await _fill(scenario, 2, hour * 5, hour * 5 + 2, status="FAILED")
    await _fill(scenario, 3, hour, hour, status="CANCELLED")
    await _fill(scenario, 3, 1, 20)
    gauges = Figures(scenario.runtime.database, scenario.runtime.clock)
    await gauges.step()
    assert _ended(gauges) == {"COMPLETED": 15, "FAILED": 3, "MISSED": 0, "CANCELLED": 1}


async def test_an_hour_that_is_over_is_counted_again_in_its_turn(scenario: Scenario) -> None:
    gauges = Figures(scenario.runtime.database, scenario.runtime.clock)
    await gauges.step()
    assert _ended(gauges) == {"COMPLETED": 0, "FAILED": 0, "MISSED": 0, "CANCELLED": 0}
    hours = 4 * 3_600
    await _fill(scenario, 0, hours + 1, hours + 10, status="MISSED")
    await gauges.step()
    assert _ended(gauges)["MISSED"] == 0, "that hour is over, and its turn is later"
    for _ in range(HOURS):
        await gauges.step()
    assert _ended(gauges)["MISSED"] == 10


async def test_hours_pass_out_of_the_day(scenario: Scenario) -> None:
    await _fill(scenario, 0, 1, 10, status="FAILED")
    gauges = Figures(scenario.runtime.database, scenario.runtime.clock)
    await gauges.step()
    assert _ended(gauges)["FAILED"] == 10
    await scenario.at("2026-11-24T10:59Z")
    await gauges.step()
    assert _ended(gauges)["FAILED"] == 10
    await scenario.at("2026-11-24T11:00Z")
    await gauges.step()
    assert _ended(gauges)["FAILED"] == 0


async def test_a_process_that_does_not_measure_says_nothing(scenario: Scenario, settings: Settings) -> None:
    await _fill(scenario, 0, 0, 9)
    first = Figures(scenario.runtime.database, scenario.runtime.clock)
    await first.step()
    async with open_without_bus(settings) as other:
        second = Figures(other.database, other.clock)
        await second.step()
        assert list(first.due())
        silent = (second.due, second.overdue, second.oldest, second.live, second.ended, second.bloat)
        assert [list(each()) for each in silent] == [[]] * 6
        await scenario.execute("UPDATE leases SET until = '-infinity', holder = gen_random_uuid()")
        await second.step()
        assert len(list(second.due())) == 4


async def test_bloat_is_seen_and_gone_after_a_rebuild(scenario: Scenario) -> None:
    database, hot = scenario.runtime.database, "events_2026_11"
    await _fill(scenario, 0, 0, 20_000)
    await scenario.execute(f"ANALYZE {hot}")
    new = await figures.estimate_bloat(database, [hot])
    assert set(new) == {f"{hot}_{kind}" for kind in KINDS}
    await scenario.execute("DELETE FROM events WHERE target_timestamp_utc < almanac_now() - interval '30 minutes'")
    await scenario.execute(f"ANALYZE {hot}")
    bloated = await figures.estimate_bloat(database, [hot])
    key = f"{hot}_pkey"
    assert bloated[key] > 0.85
    assert bloated[key] > new[key]
    await _fill(scenario, 0, 2_000, 20_000)
    await scenario.execute(f"REINDEX TABLE {hot}")
    await scenario.execute(f"ANALYZE {hot}")
    assert (await figures.estimate_bloat(database, [hot]))[key] < 0.1


KINDS = (
    "pkey", "event_type_status_target_timestamp_utc_id_idx", "priority_target_timestamp_utc_idx",
    "user_id_target_timestamp_utc_idx", "user_id_idx",
)  # fmt: skip
