"""The plans of the statements that run all the time, over a year to come and months full of what has ended.

Index scans, few rows looked at, and hardly a page of an old month.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from event_scenario import Scenario, open_without_bus
from pydantic import SecretStr
from sqlalchemy import TextClause
from uuid_utils.compat import uuid7

from chassis.database.migrations import upgrade
from contracts.vocabulary import EventStatus, EventType
from event_service.adapters import (
    broadcast_chunks,
    broadcasts,
    claims,
    event_endings,
    event_locks,
    event_rows,
    event_views,
    figures,
    forecasts,
    passages,
    schedule_views,
    schedules,
    zone_rules,
)
from event_service.domain.events import EventKey
from event_service.settings import Settings
from local_stack.postgres import PostgresServer
from testkit.plans import Node, explain, indexes_used, pages_read, rows_read, tables_read_whole
from testkit.plans import nodes as below

# One worker runs them all: each would fill a database for itself.
pytestmark = pytest.mark.xdist_group("event-plans")

EVENTS = 79_000
PAST_DAYS = 200
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)

_FILL = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, status, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, claimed_until, published_at, history)"
    " SELECT gen_random_uuid(), at, gen_random_uuid(), (ARRAY['BIRTHDAY', 'ANNIVERSARY', 'REMINDER', 'NOTIFICATION'])"
    "[1 + n % 4], '2026', CASE WHEN at > almanac_now() - interval '1 h' THEN 'PENDING'"
    " WHEN n % 50 = 0 AND at > almanac_now() - interval '20 days' THEN 'PROCESSING' WHEN n % 10 < 7 THEN 'COMPLETED'"
    " ELSE (ARRAY['FAILED', 'CANCELLED', 'MISSED'])[n % 10 - 6] END,"
    " n % 4, 'UTC', '', at + interval '72 h', '{}', '{}', '{}',"
    " clock_timestamp() + CASE WHEN n % 4 = 0 THEN interval '0' ELSE interval '1 h' END, clock_timestamp(), '[]'"
    " FROM (SELECT n, almanac_now() - make_interval(days => :past) + n * interval '9 minutes' AS at"
    " FROM generate_series(1, :count) AS n) AS s"
)


_FILL_SCHEDULES = (
    "INSERT INTO schedules (id, user_id, event_type, source, priority, rule, local_time, timezone, follows_user,"
    " live_event_id, next_at) SELECT gen_random_uuid(), user_id, event_type, 'api', priority, '{}', '09:00', 'UTC',"
    " true, id, target_timestamp_utc FROM events WHERE status IN ('PENDING', 'PROCESSING')"
)
_FREQUENT = "UPDATE events SET user_id = :id WHERE id < '04000000-0000-0000-0000-000000000000'"
"""A user with more than a thousand events, in every month."""


_BROADCAST = (
    "UPDATE events SET broadcast_id = :id WHERE event_type = 'NOTIFICATION'"
    " AND id < '11000000-0000-0000-0000-000000000000'"
)


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a database with a year of events, which no test of this module changes."""

    async def fill() -> str:
        url = await postgres.create_database("event-service-year")
        await upgrade(url, pytestconfig.rootpath / "services/event-service/migrations")
        async with open_without_bus(_settings(url)) as runtime:
            scenario = Scenario(runtime)
            await scenario.at(NOW.isoformat())
            await scenario.execute(
                "SELECT cover_events(almanac_now() - make_interval(days => :past), almanac_now())", past=PAST_DAYS
            )
            await scenario.execute(_FILL, count=EVENTS, past=PAST_DAYS)
            await scenario.execute(_FILL_SCHEDULES)
            await scenario.execute(_FREQUENT, id=SOMEBODY)
            await scenario.execute(_BROADCAST, id=uuid4())
            await scenario.execute("ANALYZE events, schedules")
        await _vacuum(url)
        return url

    yield asyncio.run(fill())
    asyncio.run(postgres.drop_database("event-service-year"))


async def _vacuum(url: str) -> None:
    """As autovacuum would: marks the pages of which an index may tell without a look at the table."""
    connection = await asyncpg.connect(url)
    # The dead rows of rolled back statements are few, and then VACUUM would leave them and their pages as they are.
    await connection.execute("VACUUM (INDEX_CLEANUP ON) events")
    await connection.close()


@pytest.fixture
async def year(filled: str) -> AsyncIterator[Scenario]:
    async with open_without_bus(_settings(filled)) as runtime:
        yield Scenario(runtime)


def _settings(url: str) -> Settings:
    return Settings(database_url=SecretStr(url), time_lapse=True)


async def _explain(scenario: Scenario, statement: TextClause, **values: object) -> list[Node]:
    return await explain(scenario.runtime.database.engine, statement, values)


def _kinds(executed: Sequence[Node]) -> set[str]:
    """The kinds of index in use: the names of partitions' indexes without the month."""
    return {re.sub(r"^events_\d{4}_\d{2}_", "", name) for name in indexes_used(executed)}


TAKE = {"priority": 0, "limit": 100, "token": uuid7(), "lease": 60.0, "outcome_seconds": 60.0}
CLAIM = TAKE | {"ahead": 0.1, "late_after": 60.0, "since": claims.BEGINNING}
NEXT = {"priority": 2, "since": claims.BEGINNING, "late_after": 60.0}
PENDING = "priority_target_timestamp_utc_idx"
PROCESSING = "target_timestamp_utc_idx"
LIST = "event_type_status_target_timestamp_utc_id_idx"
USER = "user_id_target_timestamp_utc_idx"
KEY = "pkey"
SOMEBODY = UUID("01990000-0000-7000-8000-000000000000")
BROADCAST = "broadcast_id_status_target_timestamp_utc_id_idx"


async def test_a_claim_reads_nothing_but_what_is_due(year: Scenario) -> None:
    nodes = await _explain(year, claims._CLAIM, **CLAIM)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {PENDING, KEY}
    assert 0 < rows_read(nodes, PENDING) <= 3  # an hour at one in 36 minutes
    assert rows_read(nodes, KEY) <= 3


async def test_a_claim_finds_the_fresh_without_reading_the_backlog(year: Scenario) -> None:
    [fresh] = [each for each in await _explain(year, claims._CLAIM, **CLAIM) if each.get("Subplan Name") == "CTE fresh"]
    read = [each for each in below(fresh) if each["Actual Loops"] > 0 and "Index Name" in each]
    assert {each["Relation Name"] for each in read} == {"events_2026_06"}
    assert rows_read(read, PENDING) == 1  # the other that is due is late


@pytest.mark.parametrize(("statement", "values"), [(claims._CLAIM, CLAIM), (claims._NEXT, NEXT)], ids=["claim", "next"])
async def test_events_past_their_grace_and_not_yet_swept_are_not_read_again(
    year: Scenario, statement: TextClause, values: dict[str, object]
) -> None:
    outage = (
        "UPDATE events SET status = 'PENDING', grace_until = target_timestamp_utc + interval '1 h'"
        " WHERE target_timestamp_utc BETWEEN almanac_now() - interval '4 days' AND almanac_now() - interval '1 day'"
        " AND priority IN (0, 2)"
    )
    late, engine = NOW - timedelta(hours=1), year.runtime.database.engine
    whole = await explain(engine, statement, values, after=outage)
    assert rows_read(whole, PENDING) >= 3 * 24 * 60 / 36
    known = await explain(engine, statement, values | {"since": late}, after=outage)
    assert 0 < rows_read(known, PENDING) <= 20
    assert tables_read_whole(known) == []
    await _vacuum(year.runtime.database.url)


OLD_MONTHS = ("2025_12", "2026_01", "2026_02", "2026_03", "2026_04")
RUN_ALL_THE_TIME: dict[str, tuple[TextClause, dict[str, object]]] = {
    "claim": (claims._CLAIM, CLAIM),
    "next": (claims._NEXT, NEXT),
    "return of the unconfirmed": (claims._RETURN_UNCONFIRMED, TAKE),
    "take-over": (claims._TAKE_OVER, TAKE),
    "anything to take over": (claims._ANY_TO_TAKE_OVER, {"priority": 2}),
    "sweep": (event_endings._MISSED, {"limit": 100}),
    "sweep of the unconfirmed": (event_endings._MISSED_UNCONFIRMED, {"limit": 100}),
    "figures": (figures._WAITING, {"late_after": 60.0, "counted": 100_000}),
    "forecast": (forecasts._COUNT, {"since": NOW, "until": NOW + timedelta(days=31)}),
}


@pytest.mark.parametrize(("statement", "values"), RUN_ALL_THE_TIME.values(), ids=RUN_ALL_THE_TIME.keys())
async def test_months_full_of_what_has_ended_cost_no_more_than_a_look_at_an_index(
    year: Scenario, statement: TextClause, values: dict[str, object]
) -> None:
    nodes = await _explain(year, statement, **values)
    scans = [node for node in nodes if node.get("Relation Name", "").startswith("events_")]
    old = [node for node in scans if node["Relation Name"].endswith(OLD_MONTHS)]
    assert tables_read_whole(nodes) == []
    assert {node["Node Type"] for node in old} <= {"Index Scan", "Index Only Scan"}
    assert {node["Relation Name"].removeprefix("events_") for node in old} == set(OLD_MONTHS)
    assert [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in old] == [0] * len(old)
    assert sum(map(pages_read, old)) <= 2 * sum(node["Actual Loops"] for node in old)


async def test_a_stamp_finds_its_events_by_their_keys(year: Scenario) -> None:
    keys = await _keys_in_hand(year)
    nodes = await _explain(year, claims._STAMP, **event_rows.key_parameters(keys), token=uuid7(), seconds=60.0)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {KEY}


async def test_the_next_delay_is_one_look_at_each_month(year: Scenario) -> None:
    nodes = await _explain(year, claims._NEXT, **NEXT)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {PENDING}
    assert rows_read(nodes, PENDING) <= 20


async def test_search_for_missing_outcomes_reads_only_processing_events(year: Scenario) -> None:
    nodes = await _explain(year, claims._ANY_TO_TAKE_OVER, priority=2)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {PROCESSING}


@pytest.mark.parametrize("statement", [claims._RETURN_UNCONFIRMED, claims._TAKE_OVER], ids=["return", "take over"])
async def test_reapers_read_only_processing_events(year: Scenario, statement: TextClause) -> None:
    [(in_hand,)] = await year.rows("SELECT count(*) FROM events WHERE status = 'PROCESSING'")
    nodes = await _explain(year, statement, **TAKE)
    assert tables_read_whole(nodes) == []
    assert PROCESSING in _kinds(nodes)
    assert _kinds(nodes) <= {PROCESSING, KEY}
    assert rows_read(nodes, PROCESSING) <= in_hand


async def test_search_for_missed_events_reads_only_due_pending_events(year: Scenario) -> None:
    nodes = await _explain(year, event_endings._MISSED, limit=100)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {PENDING}
    assert rows_read(nodes, PENDING) <= 10


async def test_forecast_of_a_month_reads_the_index_of_pending_events_and_no_table(year: Scenario) -> None:
    await _vacuum(year.runtime.database.url)
    nodes = await _explain(year, forecasts._COUNT, since=NOW, until=NOW + timedelta(days=31))
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} == {"Index Only Scan"}
    assert _kinds(nodes) == {PENDING}
    assert sum(node["Heap Fetches"] for node in scans) == 0
    # Later months are not even opened.
    assert max(node["Relation Name"] for node in scans) == "events_2026_07"
    assert rows_read(nodes, PENDING) <= 31 * 24 * 60 / 9 + 20


async def test_events_due_at_given_instants_are_read_from_their_months_alone(year: Scenario) -> None:
    instants = [NOW + timedelta(hours=number) for number in range(24)]
    nodes = await _explain(year, passages._COUNT, instants=instants)
    assert tables_read_whole(nodes) == []
    read = {node["Relation Name"] for node in nodes if node.get("Actual Loops") and "Relation Name" in node}
    assert read <= {f"events_{NOW:%Y_%m}", f"events_{instants[-1]:%Y_%m}"}


async def test_counting_due_events_reads_no_others(year: Scenario) -> None:
    nodes = await _explain(year, figures._WAITING, late_after=60.0, counted=100_000)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {PENDING}
    assert 0 < rows_read(nodes, PENDING) <= 10


async def test_counting_what_has_ended_reads_the_index_of_the_hours_that_are_asked_for(year: Scenario) -> None:
    hours = [NOW - timedelta(hours=back) for back in range(24)]
    values = {"hours": hours, "statuses": figures.ENDS, "types": list(EventType), "counted": 100_000}
    nodes = await _explain(year, figures._ENDED, **values)
    assert tables_read_whole(nodes) == []
    read = {node["Relation Name"] for node in nodes if node["Actual Loops"] and "Relation Name" in node}
    assert read == {f"events_{NOW:%Y_%m}"}
    assert _kinds(nodes) == {LIST}
    assert 0 < rows_read(nodes, LIST) <= 24 * 60 / 9 + 16


async def test_what_new_zone_rules_concern_is_looked_for_month_by_month(year: Scenario) -> None:
    nodes = await _explain(
        year,
        zone_rules._OUTDATED,
        tzdata="2099z",
        priority=2,
        first=datetime(2026, 8, 1, tzinfo=UTC),
        end=datetime(2026, 9, 1, tzinfo=UTC),
        after_at=datetime(2026, 8, 20, tzinfo=UTC),
        after_id=uuid7(),
        limit=100,
    )
    assert {table for table in tables_read_whole(nodes) if table != "zone_rules"} == set()
    scans = [node for node in nodes if node.get("Relation Name", "").startswith("events_")]
    assert {node["Relation Name"] for node in scans} == {"events_2026_08"}
    assert _kinds(nodes) - {"zone_rules_pkey"} == {PENDING}
    assert rows_read(nodes, PENDING) <= 12 * 24 * 60 / 36 + 1


@pytest.mark.parametrize("before", [None, "2026-09-01T00:00Z"])
async def test_a_list_reads_one_page_of_each_kind(year: Scenario, before: str | None) -> None:
    values = {
        "types": ["BIRTHDAY", "REMINDER"],
        "statuses": ["PENDING", "COMPLETED"],
        "start": None,
        "end": None,
        "before_at": None,
        "before_id": None,
        "limit": 51,
    }
    if before is not None:
        [last] = await year.rows(
            "SELECT target_timestamp_utc, id FROM events WHERE target_timestamp_utc < CAST(CAST(:before AS text)"
            " AS timestamptz) ORDER BY 1 DESC LIMIT 1",
            before=before,
        )
        values |= {"before_at": last.target_timestamp_utc, "before_id": last.id}
    nodes = await _explain(year, event_views._BY_KIND, **values)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {LIST}
    assert 0 < rows_read(nodes, LIST) <= 4 * (51 + 20)


@pytest.mark.parametrize("before", [None, "2026-03-01T00:00Z"])
@pytest.mark.parametrize("statuses", [["PENDING"], list(EventStatus)], ids=["waiting", "any"])
async def test_a_page_of_a_users_events_is_read_by_their_index_and_no_further(
    year: Scenario, statuses: list[str], before: str | None
) -> None:
    values = {
        "user_id": SOMEBODY, "broadcast_id": None, "types": list(EventType), "statuses": statuses, "start": None,
        "end": None, "before_at": before and datetime.fromisoformat(before), "before_id": before and uuid7(),
        "limit": 51,
    }  # fmt: skip
    nodes = await _explain(year, event_views._OF_USER, **values)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) <= {USER, PENDING}  # for pending events, a month without any is just as fast
    assert rows_read(nodes, USER) <= (51 + 24 if before is None or len(statuses) > 1 else 1_500)


async def test_what_is_personal_is_found_by_its_user(year: Scenario) -> None:
    nodes = await _explain(year, event_endings._FORGET_PERSON, user_ids=[SOMEBODY])
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {USER}


async def test_an_event_is_found_by_its_id_in_every_month(year: Scenario) -> None:
    [(id,)] = await year.rows("SELECT id FROM events LIMIT 1")
    nodes = await _explain(year, event_views._FIND, id=id)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {KEY}


async def test_a_batch_of_keys_looks_only_into_its_own_months(year: Scenario) -> None:
    keys = await _keys_in_hand(year)
    nodes = await _explain(
        year,
        event_endings._FINISH,
        **event_rows.key_parameters(keys),
        attempts=[1] * len(keys),
        statuses=["COMPLETED"] * len(keys),
        reasons=[None] * len(keys),
        published=[None] * len(keys),
        finished=[key.target for key in keys],
    )
    tables = {node["Relation Name"] for node in nodes if node["Node Type"] == "Index Scan"}
    assert tables == {"events_2026_06"}
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {KEY}


async def test_the_schedules_of_live_events_are_found_by_index(year: Scenario) -> None:
    ids = [row.id for row in await year.rows("SELECT id FROM events LIMIT 50")]
    nodes = await _explain(year, schedules._LOCK_LIVE, event_ids=ids)
    assert indexes_used(nodes) == {"schedules_live_event"}
    assert tables_read_whole(nodes) == []


async def test_a_broadcast_is_counted_from_its_index_alone_and_found_by_it(year: Scenario) -> None:
    [(id,)] = await year.rows("SELECT broadcast_id FROM events WHERE broadcast_id IS NOT NULL LIMIT 1")
    await _vacuum(year.runtime.database.url)
    nodes = await _explain(year, broadcasts._COUNTS, id=id)
    # Of a month without events there is nothing to spare.
    scans = [
        node
        for node in nodes
        if "Relation Name" in node and node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 0
    ]
    assert {node["Node Type"] for node in scans} == {"Index Only Scan"}
    assert _kinds(nodes) == {BROADCAST}
    for nodes in (
        await _explain(year, broadcasts._WAITING, id=id),
        await _explain(
            year, event_views._OF_BROADCAST, broadcast_id=id, types=["NOTIFICATION"], statuses=["PENDING", "COMPLETED"],
            start=None, end=None, before_at=None, before_id=None, limit=51,
        ),
    ):  # fmt: skip
        assert tables_read_whole(nodes) == []
        assert _kinds(nodes) == {BROADCAST}


async def test_a_broadcast_is_cancelled_by_way_of_its_index_and_keys(year: Scenario) -> None:
    [(id,)] = await year.rows("SELECT broadcast_id FROM events WHERE broadcast_id IS NOT NULL LIMIT 1")
    values = {
        "broadcast_id": str(id), "now": datetime(2026, 6, 10, 12, tzinfo=UTC), "reason": "cancelled", "limit": 100,
        "type": "EventCancelled", "dataversion": "1.0", "traceparent": None, "traced": "",
        "priorities": ["CRITICAL", "HIGH", "NORMAL", "LOW"],
    }  # fmt: skip
    nodes = await _explain(year, broadcast_chunks._CANCEL, **values)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {BROADCAST, KEY}
    assert rows_read(nodes, BROADCAST) <= 100


async def _keys_in_hand(year: Scenario) -> list[EventKey]:
    rows = await year.rows(
        "SELECT id, target_timestamp_utc AS at FROM events WHERE status = 'PROCESSING' AND target_timestamp_utc"
        " BETWEEN '2026-06-01' AND '2026-06-09' LIMIT 20"
    )
    return [EventKey(row.id, row.at) for row in rows]


async def test_what_a_changed_user_has_is_found_by_index(year: Scenario) -> None:
    rows = await year.rows(
        "SELECT user_id, id FROM events WHERE status = 'PENDING' AND user_id <> :id ORDER BY id LIMIT 100", id=SOMEBODY
    )
    users = [row.user_id for row in rows]
    nodes = await _explain(year, schedules._LOCK_OF_USERS, user_ids=users)
    assert indexes_used(nodes) == {"schedules_user"}
    nodes = await _explain(year, event_locks._LOCK_ALONE, user_ids=users)
    assert tables_read_whole(nodes) == []
    assert _kinds(nodes) == {"user_id_idx"}
    nodes = await _explain(year, schedules._NAMING, event_ids=[row.id for row in rows])
    assert indexes_used(nodes) == {"schedules_live_event"}


async def test_schedules_that_wait_are_found_nearest_first_without_the_others(year: Scenario) -> None:
    nodes = await _explain(year, schedules._TAKE_WAITING, before=datetime(2027, 7, 1, tzinfo=UTC), limit=100)
    assert indexes_used(nodes) == {"schedules_waiting"}


@pytest.mark.parametrize("status", [["ACTIVE"], ["ACTIVE", "PAUSED", "ENDED"]])
async def test_a_list_of_schedules_reads_one_page_of_each_kind(year: Scenario, status: list[str]) -> None:
    page = {"types": ["BIRTHDAY", "REMINDER"], "statuses": status, "before_at": None, "before_id": None, "limit": 51}
    nodes = await _explain(year, schedule_views._BY_KIND, **page)
    assert tables_read_whole(nodes) == []
    assert rows_read(nodes, "schedules_list") <= 2 * 51
    [someone] = await year.rows("SELECT user_id FROM schedules LIMIT 1")
    nodes = await _explain(year, schedule_views._OF_USER, **page, user_id=someone.user_id)
    assert indexes_used(nodes) == {"schedules_user"}
