"""Pending events move with the rules of their zone, from one published release of the tzdata package to another."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from event_scenario import RULES, Scenario, open_without_bus
from pydantic import SecretStr
from sqlalchemy import Row
from uuid_utils.compat import uuid7

from chassis.core.zones import TZDATA_VERSION
from chassis.database.migrations import upgrade
from contracts.vocabulary import EventType
from event_service.application.zone_changes import ZoneWatch, recompute
from event_service.domain.local_time import GapPolicy
from event_service.domain.recurrence import Policies
from event_service.settings import Settings
from local_stack.postgres import PostgresServer

# One worker runs them all: each would plan as another release for itself.
pytestmark = pytest.mark.xdist_group("zone-changes")

SUPPORT = Path(__file__).parents[1] / "support"
SUMMER, WINTER = "1990-07-15", "1990-01-15"
HOUR = timedelta(hours=1)
# Mexico and Iran have given summer time up, Jordan keeps it all year, Greenland has moved east; Berlin is as it was.
USERS = (
    ("America/Mexico_City", SUMMER, HOUR),
    ("Asia/Tehran", SUMMER, HOUR),
    ("Asia/Amman", WINTER, -HOUR),
    ("America/Nuuk", WINTER, -HOUR),
    ("America/Mexico_City", WINTER, None),
    ("Europe/Berlin", SUMMER, None),
)

ALONE = {"America/Mexico_City": "2026-07-01T08:00:00", "Europe/Berlin": "2026-07-01T08:00:00"}
# In Greenland's gap by the new rules, which is an hour later: from 23 to 24 o'clock on the last Saturday of March.
IN_NEW_GAP = ("America/Nuuk", "1990-03-27", "23:30")
NOW = "2026-06-01T00:00Z"


@dataclass(frozen=True)
class Planned:
    """What the old release made: the database, and the ids in the order of USERS (then IN_NEW_GAP) and ALONE."""

    database: str
    users: list[UUID]
    alone: list[UUID]


def _settings(url: str) -> Settings:
    return Settings(database_url=SecretStr(url), time_lapse=True)


def _environment(url: str, **more: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url, "TIME_LAPSE": "true", "LOG_LEVEL": "error", **more}


async def _old_release(
    root: Path, url: str, users: Sequence[tuple[str, str, str]], alone: Mapping[str, str]
) -> dict[str, Any]:
    """Let a process make users' and other events that has the release which `make install` puts beside ours."""
    asked = {
        "users": [{"zone": zone, "born": born, "time": time} for zone, born, time in users],
        "alone": [{"zone": zone, "wall": wall} for zone, wall in alone.items()],
    }
    path = os.pathsep.join(map(str, (root / ".venv/tzdata-2022", SUPPORT)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, SUPPORT / "another_release.py",
        env=_environment(url, PYTHONPATH=path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(json.dumps(asked).encode())
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    assert answer["tzdata"] == "2022a" != TZDATA_VERSION
    return answer


@pytest.fixture(scope="module")
def planned(postgres: PostgresServer, pytestconfig: pytest.Config) -> Iterator[Planned]:
    """A database as the old release has left it; each test gets a copy."""
    name = f"zones-{uuid7()}"

    async def plan() -> Planned:
        url = await postgres.create_database(name)
        await upgrade(url, pytestconfig.rootpath / "services/event-service/migrations")
        async with open_without_bus(_settings(url)) as runtime:
            await Scenario(runtime).at(NOW)
        users = [*((zone, born, "09:00") for zone, born, _ in USERS), IN_NEW_GAP]
        answer = await _old_release(pytestconfig.rootpath, url, users, ALONE)
        return Planned(name, *([UUID(id) for id in answer[each]] for each in ("users", "alone")))

    yield asyncio.run(plan())
    asyncio.run(postgres.drop_database(name))


@pytest.fixture
async def url(postgres: PostgresServer, planned: Planned) -> AsyncIterator[str]:
    name = f"{planned.database}-{uuid7()}"
    yield await postgres.create_database(name, planned.database)
    await postgres.drop_database(name)


@pytest.fixture
async def scenario(url: str) -> AsyncIterator[Scenario]:
    async with open_without_bus(_settings(url)) as runtime:
        opened = Scenario(runtime)
        await opened.announced()
        yield opened


def _watch(scenario: Scenario) -> ZoneWatch:
    return ZoneWatch(scenario.runtime.database, scenario.runtime.outbox, scenario.rules)


async def _waiting(scenario: Scenario) -> dict[UUID, Row[Any]]:
    return {row.id: row for row in await scenario.rows("SELECT * FROM events WHERE status = 'PENDING'")}


async def test_pending_events_of_changed_zones_keep_their_local_time_and_others_stay(
    scenario: Scenario, planned: Planned
) -> None:
    before = await _waiting(scenario)
    assert await _watch(scenario).step() == 60.0
    after = await _waiting(scenario)
    assert after.keys() == before.keys()
    moved_by = {id: after[id].target_timestamp_utc - row.target_timestamp_utc for id, row in before.items()}
    for (_, _, by), user_id in zip(USERS, planned.users, strict=False):
        schedule = await scenario.schedule(user_id)
        event = after[schedule.live_event_id]
        assert moved_by[event.id] == (by or timedelta(0))
        assert event.grace_until - event.target_timestamp_utc == timedelta(hours=72)
        assert schedule.next_at == event.target_timestamp_utc
    mexico, berlin = planned.alone
    assert (moved_by[mexico], moved_by[berlin]) == (HOUR, timedelta(0))
    assert after[mexico].target_timestamp_utc == datetime(2026, 7, 1, 14, tzinfo=UTC)
    # Whatever was looked at is as the new release has it; the others have the same rules in both.
    assert {row.tzdata for row in after.values() if row.timezone != "Europe/Berlin"} == {TZDATA_VERSION}
    assert [step["cause"] for step in after[mexico].history] == ["scheduled", "rescheduled"]
    announced = await scenario.announced()
    assert [(type, item["reason"]) for type, item in announced] == [("EventRescheduled", "time zone rules changed")] * 5


async def test_what_moved_and_by_how_much_is_recorded_once(scenario: Scenario, planned: Planned) -> None:
    watch = _watch(scenario)
    await watch.step()
    await watch.step()
    [run] = await scenario.rows("SELECT * FROM zone_recomputes")
    assert (run.tzdata, run.moved, run.replaced) == (TZDATA_VERSION, 5, 0)
    assert run.finished_at is not None
    examples = run.zones["America/Mexico_City"].pop("examples")
    moves = [(datetime.fromisoformat(each["before"]), datetime.fromisoformat(each["after"])) for each in examples]
    assert [after - before for before, after in moves] == [HOUR, HOUR]
    assert run.zones["America/Mexico_City"] == {
        "examined": 3, "moved": 2, "replaced": 0, "leastSeconds": 3600.0, "greatestSeconds": 3600.0,
    }  # fmt: skip
    assert run.zones["Asia/Amman"]["leastSeconds"] == -3600.0


async def test_dry_run_reports_moves_and_changes_nothing(url: str, scenario: Scenario) -> None:
    before = await _waiting(scenario)
    dry = await _recompute(scenario, dry_run=True, batch=2)
    assert sum(each.moved for each in dry.values()) == 5
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "event_service", "tzdata", "--dry-run",
        env=_environment(url), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    told = output.decode()
    assert "America/Mexico_City" in told
    assert "+60 min" in told
    assert f"tzdata {TZDATA_VERSION}: 5 of " in told
    assert told.endswith("changed zones would move\n")
    assert await _waiting(scenario) == before
    assert await scenario.announced() == []
    assert await scenario.rows("SELECT * FROM zone_recomputes") == []
    done = await _recompute(scenario)
    assert done == dry
    assert await _recompute(scenario) == {}


async def test_claimed_event_stays_and_its_next_occurrence_follows_the_new_rules(
    scenario: Scenario, planned: Planned
) -> None:
    user_id = planned.users[0]
    await scenario.at("2026-07-15T14:00Z")  # nine o'clock by the old rules
    while await scenario.fire():
        pass
    [event] = [each for each in scenario.bus.published if each.user_id == user_id]
    await _recompute(scenario)
    await scenario.answer(scenario.outcome(event))
    fired, coming = [row for row in await scenario.events(user_id) if row.event_type == "BIRTHDAY"]
    assert (fired.status, coming.status) == ("COMPLETED", "PENDING")
    assert coming.target_timestamp_utc == datetime(2027, 7, 15, 15, tzinfo=UTC)


async def _recompute(scenario: Scenario, **options: Any) -> dict[str, Any]:
    return await recompute(scenario.runtime.database, scenario.runtime.outbox, scenario.rules, **options)


async def test_occurrence_skipped_by_new_rules_is_replaced_by_the_next(scenario: Scenario, planned: Planned) -> None:
    skipping = replace(RULES[EventType.BIRTHDAY], policies=Policies(gap=GapPolicy.SKIP))
    scenario.rules = {**RULES, EventType.BIRTHDAY: skipping}
    user_id = planned.users[-1]
    assert (await scenario.event(user_id)).occurrence == "2027"
    report = await _recompute(scenario)
    assert report["America/Nuuk"].replaced == 1
    assert await scenario.events(user_id) == []
    schedule = await scenario.schedule(user_id)
    # Too far ahead for an event: by then it is at half past eleven again.
    assert (schedule.live_event_id, schedule.next_at) == (None, datetime(2028, 3, 28, 0, 30, tzinfo=UTC))


async def test_a_run_that_was_stopped_is_taken_up_where_it_ended(scenario: Scenario, planned: Planned) -> None:

    async def no() -> bool:
        return False

    first = await _recompute(scenario, batch=1, going_on=no)
    assert sum(each.examined for each in first.values()) == 1
    rest = await _recompute(scenario, batch=1)
    assert sum(each.moved for each in (*first.values(), *rest.values())) == 5
    runs = await scenario.rows("SELECT finished_at IS NOT NULL AS finished, examined FROM zone_recomputes ORDER BY id")
    assert [row.finished for row in runs] == [False, True]


async def test_a_process_with_the_older_release_moves_nothing_back(
    scenario: Scenario, url: str, pytestconfig: pytest.Config
) -> None:
    watch = _watch(scenario)
    await watch.step()
    after = await _waiting(scenario)
    await _old_release(pytestconfig.rootpath, url, [("Asia/Tehran", SUMMER, "09:00")], {})
    now = await _waiting(scenario)
    assert {id: row for id, row in now.items() if id in after} == after
    # It still made one by its own rules. The new release looks again after an hour, for a day.
    [made] = [row for id, row in now.items() if id not in after]
    await watch.step()
    assert (await _waiting(scenario))[made.id] == made
    await scenario.execute("UPDATE zone_recomputes SET finished_at = finished_at - interval '61 minutes'")
    await watch.step()
    assert (await _waiting(scenario))[made.id].target_timestamp_utc - made.target_timestamp_utc == HOUR
