"""The plans of the statements that find users, over thirty thousand of them: index scans that end with the page."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.database.engine import create_engine
from chassis.database.migrations import upgrade
from local_stack.postgres import PostgresServer
from testkit.plans import explain, indexes_used, rows_read, tables_read_whole
from user_service.adapters import users

# One worker runs them all: each would fill a database for itself.
pytestmark = pytest.mark.xdist_group("user-plans")

USERS = 30_000
PAGE = 51
_FILL = text(
    "INSERT INTO users (id, version, first_name, last_name, date_of_birth, timezone, email, tags, delivery_time,"
    " anniversaries, created_at, updated_at) SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 1, 'Ada', 'Lovelace',"
    " date '1950-01-01' + n % 20000, CASE WHEN n % 40 = 0 THEN 'Asia/Tokyo' ELSE 'Europe/Berlin' END,"
    " 'Ada.' || n || '@example.org', CASE WHEN n % 50 = 0 THEN ARRAY['vip'] ELSE '{}' END, '09:00', '[]',"
    " at, at FROM (SELECT n, timestamptz '2026-01-01Z' + n * interval '1 minute' AS at"
    " FROM generate_series(1, :count) AS n) AS s"
)


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a database that no test of this module changes."""

    async def fill() -> str:
        url = await postgres.create_database("user-service-many")
        await upgrade(url, pytestconfig.rootpath / "services/user-service/migrations")
        engine = _engine(url)
        async with engine.begin() as connection:
            await connection.execute(_FILL, {"count": USERS})
        async with engine.connect() as connection:
            automatic = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await automatic.execute(text("VACUUM ANALYZE users"))
        await engine.dispose()
        return url

    yield asyncio.run(fill())
    asyncio.run(postgres.drop_database("user-service-many"))


@pytest.fixture
async def engine(filled: str) -> AsyncIterator[AsyncEngine]:
    opened = _engine(filled)
    yield opened
    await opened.dispose()


def _engine(url: str) -> AsyncEngine:
    return create_engine(url, pool_size=1, pooler=False, application_name="plans")


@pytest.mark.parametrize("statement", [users._FIND, users._LOCK], ids=["read", "locked"])
async def test_a_user_is_found_by_id(engine: AsyncEngine, statement: TextClause) -> None:
    executed = await explain(engine, statement, {"id": UUID(int=4711)})
    assert tables_read_whole(executed) == []
    assert indexes_used(executed) == {"users_pkey"}


FILTERS: dict[str, tuple[dict[str, object], str]] = {
    "newest": ({}, "users_newest"),
    "email": ({"email": "aDA.4711@example.org"}, "users_email"),
    "timezone": ({"timezones": ["Asia/Tokyo", "Japan"]}, "users_timezone"),
    "birthday": ({"month": 2, "day": 28}, "users_birthday"),
}


@pytest.mark.parametrize("before", [None, datetime(2026, 1, 10, tzinfo=UTC)], ids=["first page", "later page"])
@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_of_users_is_read_off_the_index_of_its_filter_and_no_more(
    engine: AsyncEngine, name: str, before: datetime | None
) -> None:
    values, index = FILTERS[name]
    given = {name} - {"newest"}
    if before is not None:
        given.add("before")
        values = values | {"before_at": before, "before_id": UUID(int=2**128 - 1)}
    executed = await explain(engine, users._search(frozenset(given)), values | {"limit": PAGE})
    assert tables_read_whole(executed) == []
    assert indexes_used(executed) == {index}
    assert rows_read(executed, index) <= 2 * PAGE


async def test_users_with_a_tag_are_found_by_its_index(engine: AsyncEngine) -> None:
    executed = await explain(engine, users._search(frozenset({"tag"})), {"tag": "rare", "limit": PAGE})
    assert tables_read_whole(executed) == []
    assert indexes_used(executed) == {"users_tags"}
