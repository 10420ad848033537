"""An old database of a real PostgreSQL: what is read of it, planned, and written as lines."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from almanac_cli.main import app
from almanac_cli.migrate.lines import user_line
from almanac_cli.migrate.mapping import EventsTable, MappingError, OldSystem, UsersTable
from almanac_cli.migrate.plan import check_switch, make_plan
from almanac_cli.migrate.source import Row, open_source
from almanac_cli.migrate.spool import Spool, write_spool
from local_stack import old_system
from testkit.plugin import DatabaseFactory

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
USERS = 200
SOME_ID = "0192f1c4-5a7e-7c3b-9d2e-8f4a6b1c0d3e"


@pytest.fixture
async def old(database: DatabaseFactory) -> str:
    url = await database("")
    await old_system.create(url, USERS, NOW)
    return url


async def _execute(url: str, sql: str, *values: object) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql, *values)
    await connection.close()


async def test_plan_counts_users_and_events_by_their_result(old: str) -> None:
    await _execute(old, "UPDATE events SET status = 'PROCESSING' WHERE id = (SELECT min(id::text)::uuid FROM events)")
    async with open_source(old, OldSystem()) as source:
        plan = await make_plan(source)
    assert (plan.users, plan.schedules, plan.claimed) == (USERS, 0, 1)
    becomes = {(each.type, each.status): each.becomes for each in plan.events}
    assert becomes["BIRTHDAY", "PENDING"] == "follows from its user (verified, not imported)"
    assert becomes["NOTIFICATION", "PENDING"] == "a NOTIFICATION at the same instant"
    assert becomes["BIRTHDAY", "COMPLETED"] == "history"


async def test_snapshot_does_not_see_what_changes_meanwhile(old: str) -> None:
    async with open_source(old, OldSystem()) as source:
        assert await source.count(UsersTable()) == USERS
        await _execute(old, "DELETE FROM events; DELETE FROM users")
        assert len([row async for row in source.users()]) == USERS


async def test_same_database_gives_the_same_bytes(old: str, tmp_path: Path) -> None:
    digests = set()
    for number in range(2):
        async with open_source(old, OldSystem()) as source:
            path = tmp_path / f"{number}.ndjson"
            spool = await write_spool(path, source.users(), lambda row: user_line(row, UsersTable()), "external_id")
        digests.add(spool.digest)
        assert (spool.lines, spool.left_out) == (USERS, ())
        assert path.stat().st_mode & 0o077 == 0
    assert len(digests) == 1


async def test_row_that_cannot_be_a_line_is_left_out_with_its_key(old: str, tmp_path: Path) -> None:
    await _execute(old, "UPDATE users SET last_name = '' WHERE id = (SELECT min(id::text)::uuid FROM users)")
    async with open_source(old, OldSystem()) as source:
        spool = await write_spool(
            tmp_path / "users", source.users(), lambda row: user_line(row, UsersTable()), "external_id"
        )
    [left] = spool.left_out
    assert (spool.lines, left.reason) == (USERS - 1, "last_name is empty")
    assert left.key not in (tmp_path / "users").read_text()


async def test_interrupted_import_keeps_its_key_and_a_completed_one_gets_another(old: str, tmp_path: Path) -> None:
    async with open_source(old, OldSystem()) as source:
        rows = [row async for row in source.users()]

    async def read() -> AsyncIterator[Row]:
        for row in rows:
            yield row

    async def again() -> Spool:
        return await write_spool(tmp_path / "u", read(), lambda row: user_line(row, UsersTable()), "external_id")

    first = (await again()).key_of("users")
    spool = await again()
    assert spool.key_of("users") == first
    spool.completed(keep=False)
    assert not (tmp_path / "u").exists()
    assert (await again()).key_of("users") != first


async def test_missing_table_or_column_is_named(old: str) -> None:
    for system, named in (
        (OldSystem(users=UsersTable(table="people")), "there is no table people"),
        (OldSystem(users=UsersTable(timezone="tz")), r"table users has no timezone \(column 'tz'\)"),
        (OldSystem(users=UsersTable(phone="mobile")), r"table users has no phone \(column 'mobile'\)"),
    ):
        async with open_source(old, system) as source:
            with pytest.raises(MappingError, match=named):
                [row async for row in source.users()]


async def test_condition_and_timestamps_without_a_zone(old: str) -> None:
    naive = "TYPE timestamp USING target_timestamp_utc AT TIME ZONE 'UTC'"
    await _execute(old, f"ALTER TABLE events ALTER target_timestamp_utc {naive}")
    table = EventsTable(where="event_type <> 'BIRTHDAY'")
    async with open_source(old, OldSystem(events=table)) as source:
        rows = [row async for row in source.events(table.waiting)]
        check = await check_switch(source, rows[0]["target"].replace(tzinfo=UTC))
    assert {row["type"] for row in rows} == {"NOTIFICATION", "REMINDER"}
    assert check.near >= 1


async def test_switch_check_names_a_quieter_instant(old: str) -> None:
    at = NOW + timedelta(hours=1)
    minutes = [-50, -40, -5, 0, 3, 10, 55]
    await _execute(old, "UPDATE events SET status = 'OLD' WHERE status = 'PENDING'")
    for each in minutes:
        await _execute(
            old,
            "UPDATE events SET status = 'PENDING', target_timestamp_utc = $1"
            " WHERE id = (SELECT id FROM events WHERE status = 'OLD' ORDER BY id LIMIT 1)",
            at + timedelta(minutes=each),
        )
    async with open_source(old, OldSystem()) as source:
        check = await check_switch(source, at)
    assert check.near == 3
    assert check.quietest - at == timedelta(minutes=32, seconds=30)
    assert check.distance == timedelta(minutes=22, seconds=30)


async def test_dry_run_writes_the_lines_and_sends_nothing(old: str, tmp_path: Path) -> None:
    command = ["migrate", "users", "--from", old, "--dry-run", "--work-dir", str(tmp_path)]
    ran = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert (ran.exit_code, f"{USERS} lines" in ran.output) == (0, True), ran.output
    lines = [json.loads(line) for line in (tmp_path / "users.ndjson").read_text().splitlines()]
    assert (len(lines), set(lines[0])) == (
        USERS,
        {"externalId", "firstName", "lastName", "dateOfBirth", "timezone", "email"},
    )


def test_unreachable_database_ends_with_status_2_and_a_line() -> None:
    ran = CliRunner().invoke(app, ["migrate", "plan", "--from", "postgresql://127.0.0.1:1/nothing"])
    assert ran.exit_code == 2


def test_instant_without_an_offset_is_refused() -> None:
    ran = CliRunner().invoke(
        app,
        ["--key", "k", "migrate", "switch", "--at", "2027-03-01T12:00", "--enable", SOME_ID, "--disable", SOME_ID],
    )
    assert (ran.exit_code, "has no offset" in ran.output) == (2, True)
