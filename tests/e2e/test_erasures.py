"""Deleting a user erases them: after the stated time no table of any service holds anything of them."""

from typing import Any

import asyncpg
import httpx
import pytest

from local_stack import ports
from local_stack.postgres import SUPERUSER
from testkit import Receiver, eventually
from testkit.full_stack import People, RunningStack, due_in

pytestmark = pytest.mark.xdist_group("stack")

MARKER = "Zaphodmarker"
DATABASES = ("user_service", "event_service", "delivery_service", "analytics_service")


async def marked(almanac: RunningStack) -> set[str]:
    """The tables, with their databases, in which the marker is."""
    found = set()
    for database in DATABASES:
        connection = await asyncpg.connect(
            f"postgresql://{SUPERUSER}@{ports.LOOPBACK}:{almanac.postgres_port}/{database}"
        )
        try:
            tables = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            for (table,) in tables:
                sql = f'SELECT 1 FROM "{table}" AS t WHERE CAST(t AS text) ILIKE $1 LIMIT 1'  # noqa: S608
                if await connection.fetchval(sql, f"%{MARKER}%"):
                    found.add(f"{database}.{table}")
        finally:
            await connection.close()
    return found


async def test_a_deleted_user_is_in_no_table_and_gets_no_retry(
    people: People, almanac: RunningStack, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.always(400)
    person: dict[str, Any] = {
        "firstName": MARKER,
        "lastName": f"{MARKER}son",
        "email": f"{MARKER}@example.org",
        "externalId": f"{MARKER}-1",
        "anniversaries": [{"label": f"{MARKER} day", "date": "2020-02-01"}],
    }
    user = await people.create(**due_in(4), **person)
    await people.has_event(user, "FAILED")
    # A message that no service can apply has the person in it, too.
    before = await marked(almanac)
    assert {name.split(".")[0] for name in before} >= set(DATABASES) - {"analytics_service"}

    await people.delete(user)

    async def erased() -> dict[str, Any] | None:
        answer = await http.get(f"{almanac.user}/v1/users/{user['id']}/erasure", headers={"Cache-Control": "no-cache"})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body if body["completedAt"] else None

    erasure = await eventually(erased, interval=0.2) or {}
    assert [each["service"].removesuffix("-service") for each in erasure["services"]] == [
        "user", "event", "delivery", "analytics",
    ]  # fmt: skip
    assert await marked(almanac) == set()

    letters = await http.get(f"{almanac.delivery}/v1/dead-letters", params={"eventType": "BIRTHDAY", "status": "OPEN"})
    assert user["id"] not in letters.text
    receiver.always(200)
    assert len(people.greetings(user)) == 1
