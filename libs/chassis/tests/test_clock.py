"""Real time, simulated time, and which processes use which."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chassis.database.clock import (
    ClockMap,
    DatabaseClock,
    ManualClock,
    TimeLapseRefusedError,
    clear_clock_map,
    write_clock_map,
)
from chassis.database.database import Database

ANCHOR = datetime(2027, 2, 27, 10, tzinfo=UTC)
INFINITY = float("inf")


async def _sql(db: Database, expression: str, **parameters: object) -> Any:
    async with db.read() as connection:
        return (await connection.execute(text(f"SELECT {expression}"), parameters)).scalar_one()


async def _map(db: Database, *, speed: float, stops_at: datetime | None = None) -> None:
    async with db.transaction() as tx:
        await write_clock_map(tx, ClockMap(datetime.now(UTC), ANCHOR, speed, stops_at))


async def _delay(db: Database, target: datetime) -> float:
    delay: float = await _sql(db, "almanac_real_delay(CAST(:target AS timestamptz))", target=target)
    return delay


@pytest.mark.parametrize(
    ("speed", "stops_at", "expected"),
    [
        (1.0, None, ANCHOR + timedelta(seconds=10)),
        (2880.0, None, ANCHOR + timedelta(hours=8)),
        (0.0, None, ANCHOR),
        (2880.0, ANCHOR + timedelta(hours=1), ANCHOR + timedelta(hours=1)),
    ],
)
def test_a_map_is_linear_and_stops_where_it_says(speed: float, stops_at: datetime | None, expected: datetime) -> None:
    real = datetime(2026, 1, 1, tzinfo=UTC)
    assert ClockMap(real, ANCHOR, speed, stops_at).simulate(real + timedelta(seconds=10)) == expected


async def test_without_a_map_python_and_sql_tell_the_databases_real_time(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=False)
    await clock.refresh()
    assert not clock.mapped
    real = await _sql(db, "clock_timestamp()")
    assert abs(clock.now() - real) < timedelta(seconds=1)
    assert abs(await _sql(db, "almanac_now()") - real) < timedelta(seconds=1)
    assert clock.now().tzinfo is UTC


async def test_with_a_map_python_and_sql_tell_the_same_simulated_time(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=True)
    await _map(db, speed=60)
    await clock.refresh()
    assert clock.mapped
    simulated = await _sql(db, "almanac_now()")
    assert ANCHOR <= simulated < ANCHOR + timedelta(minutes=30)
    assert abs(clock.now() - simulated) < timedelta(seconds=60)


async def test_a_frozen_clock_stands_still_everywhere(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=True)
    await _map(db, speed=0)
    await clock.refresh()
    assert clock.now() == ANCHOR
    assert await _sql(db, "almanac_now()") == ANCHOR
    assert await _delay(db, ANCHOR + timedelta(seconds=1)) == INFINITY
    assert await _delay(db, ANCHOR) == 0


async def test_a_clock_goes_no_further_than_where_it_stops(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=True)
    stop = ANCHOR + timedelta(seconds=1)
    async with db.transaction() as tx:
        await write_clock_map(tx, ClockMap(datetime.now(UTC) - timedelta(hours=1), ANCHOR, 60, stop))
    await clock.refresh()
    assert clock.now() == stop
    assert await _sql(db, "almanac_now()") == stop
    assert await _delay(db, stop) == 0
    assert await _delay(db, stop + timedelta(seconds=1)) == INFINITY


async def test_the_real_delay_is_the_simulated_one_divided_by_the_speed(db: Database) -> None:
    assert await _delay(db, datetime.now(UTC) + timedelta(hours=1)) == pytest.approx(3600, abs=5)
    assert await _delay(db, datetime.now(UTC) - timedelta(hours=1)) == 0
    await _map(db, speed=3600)
    assert await _delay(db, ANCHOR + timedelta(hours=100)) == pytest.approx(100, abs=5)
    assert await _delay(db, ANCHOR - timedelta(hours=1)) == 0
    assert await _sql(db, "almanac_real_delay(NULL)") is None


async def test_process_without_clock_mapping_refuses_a_mapped_clock(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=False)
    await _map(db, speed=60)
    with pytest.raises(TimeLapseRefusedError, match="TIME_LAPSE is off"):
        await clock.refresh()
    assert not clock.mapped


async def test_a_map_is_replaced_and_removed(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=True)
    await _map(db, speed=60)
    await _map(db, speed=0)
    await clock.refresh()
    assert clock.now() == ANCHOR
    async with db.transaction() as tx:
        await clear_clock_map(tx)
    await clock.refresh()
    assert not clock.mapped
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_manual_clock_moves_only_on_request() -> None:
    clock = ManualClock(ANCHOR)
    assert clock.now() == ANCHOR
    clock.advance(timedelta(minutes=5))
    assert clock.now() == ANCHOR + timedelta(minutes=5)
    assert clock.now_in(60) == ANCHOR + timedelta(minutes=6)
    assert clock.real_delay(ANCHOR + timedelta(minutes=6)) == 60
    assert clock.real_delay(ANCHOR) == 0


@pytest.mark.parametrize(("speed", "stops_after_hours"), [(3600, None), (0, None), (3600, 50)])
async def test_python_and_sql_look_ahead_alike(db: Database, speed: float, stops_after_hours: int | None) -> None:
    stops_at = None if stops_after_hours is None else ANCHOR + timedelta(hours=stops_after_hours)
    await _map(db, speed=speed, stops_at=stops_at)
    clock = DatabaseClock(db, time_lapse=True)
    await clock.refresh()
    for hours in (-1, 40, 100):
        target = ANCHOR + timedelta(hours=hours)
        assert clock.real_delay(target) == pytest.approx(await _delay(db, target), abs=5)
    ahead = await _sql(db, "almanac_now_in(40)")
    assert abs(clock.now_in(40) - ahead) <= timedelta(seconds=5 * speed)


async def test_real_delay_without_a_map_is_the_remaining_time(db: Database) -> None:
    clock = DatabaseClock(db, time_lapse=False)
    await clock.refresh()
    assert clock.real_delay(clock.now_in(3600)) == pytest.approx(3600, abs=5)
    assert clock.real_delay(clock.now() - timedelta(hours=1)) == 0
