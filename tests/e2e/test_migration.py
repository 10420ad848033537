"""A generated old system is moved into a running Almanac by the commands of ``docs/migrating.md``, as they stand."""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from local_stack import old_system
from testkit import Receiver, eventually
from testkit.full_stack import KEY, RunningStack
from testkit.plugin import DatabaseFactory
from testkit.webhooks import ReceivedRequest

pytestmark = pytest.mark.xdist_group("stack")

ROOT = Path(__file__).parents[2]
USERS = int(os.environ.get("MIGRATION_USERS", "2000"))
MINUTES = 15 + USERS / 1_000
"""What a run may take on a busy machine."""
FROM_THE_ENVIRONMENT = ("ALMANAC_URL", "ALMANAC_MIGRATE_FROM", "T=")
"""Exports of the page that a test has values of its own for."""


def commands(first: int, last: int) -> list[str]:
    """The commands of the page's sections from ``first`` to ``last``, in their order."""
    page = (ROOT / "docs" / "migrating.md").read_text()
    sections = re.split(r"^## (?=\d\. )", page, flags=re.M)[1:]
    chosen = [section for section in sections if first <= int(section[0]) <= last]
    blocks = re.findall(r"^```console\n(.*?)^```", "".join(chosen), re.M | re.S)
    found = [line.removeprefix("$ ") for line in "".join(blocks).splitlines() if line.startswith("$ ")]
    return [line for line in found if not any(f"export {name}" in line for name in FROM_THE_ENVIRONMENT)]


async def run(lines: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Run commands in one shell, up to the first that fails. Returns its status and all output."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", "\n".join(["set -e", *lines])],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
async def old(database: DatabaseFactory) -> str:
    url = await database("")
    await old_system.create(url, USERS, datetime.now(UTC))
    return url


@pytest.fixture
def environment(almanac: RunningStack, old: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ALMANAC_USER_URL": almanac.user,
        "ALMANAC_EVENT_URL": almanac.event,
        "ALMANAC_DELIVERY_URL": almanac.delivery,
        "ALMANAC_ANALYTICS_URL": almanac.analytics,
        "ALMANAC_KEY": KEY,
        "ALMANAC_MIGRATE_FROM": old,
        "COLUMNS": "160",
        "SHADOW_SINCE": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


@pytest.mark.timeout(MINUTES * 60)
async def test_the_page_leads_from_an_old_system_to_greetings_delivered(
    almanac: RunningStack, http: httpx.AsyncClient, environment: dict[str, str], old: str, tmp_path: Path
) -> None:
    async with Receiver() as sink, Receiver() as real:
        environment |= {"SINK_URL": sink.url, "REAL_URL": real.url}
        status, output = await run([*commands(1, 4), 'echo "SINK=$SINK REAL=$REAL"'], environment, tmp_path)
        assert status == 0, output
        assert re.search(rf"^│ users +│ {USERS:,} +│ {USERS:,} +│ 0 ", output, re.M), output
        ids: dict[str, str] = dict(re.findall(r"(SINK|REAL)=(\S+)", output.splitlines()[-1]))
        environment |= ids

        # Nothing changed: nothing is created, and both sides agree.
        status, output = await run(commands(5, 5), environment, tmp_path)
        assert status == 0, output
        assert re.search(rf"^│ users +│ {USERS:,} +│ 0 +│ 0 +│ {USERS:,} +│ 0 ", output, re.M), output

        # What differs is found, and the next import brings what it may.
        for type in ("BIRTHDAY", "NOTIFICATION"):
            await _execute(
                old,
                "UPDATE events SET target_timestamp_utc = target_timestamp_utc + interval '1 hour' WHERE id = (SELECT"
                " id FROM events WHERE status = 'PENDING' AND event_type = $1 ORDER BY id LIMIT 1)",
                type,
            )
        status, output = await run(["almanac migrate verify"], environment, tmp_path)
        assert status == 1, output
        assert re.search(r"^│ next birthdays .*│ 1 +│$", output, re.M), output
        assert re.search(r"^│ one-off events .*│ 1 +│$", output, re.M), output
        status, output = await run(["almanac migrate events", "almanac migrate verify"], environment, tmp_path)
        assert status == 1, output
        assert re.search(r"^│ one-off events .*│ 0 +│$", output, re.M), output

        # In shadow mode the sink is greeted, with the key of the old system.
        first, second = await _waiting(almanac, http)
        await _now(almanac, http, first)
        await eventually(lambda: imported(sink), timeout=60)
        [greeting] = imported(sink)
        assert greeting.headers["webhook-id"] == first["idempotencyKey"]
        assert first["externalId"].encode() in greeting.body
        assert real.requests == []

        environment["T"] = f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
        status, output = await run(commands(6, 6), environment, tmp_path)
        assert status == 0, output
        await _now(almanac, http, second)
        await eventually(lambda: imported(real), timeout=60)
        assert [each.headers["webhook-id"] for each in imported(real)] == [second["idempotencyKey"]]
        assert len(imported(sink)) == 1

        status, output = await run(commands(7, 7), environment, tmp_path)
        assert status == 0, output
        listed = (await http.get(f"{almanac.delivery}/v1/endpoints")).json()["items"]
        states = {each["id"]: each["enabled"] for each in listed}
        assert (states[ids["SINK"]], states[ids["REAL"]]) == (True, False)
        for endpoint_id in ids.values():
            await http.delete(f"{almanac.delivery}/v1/endpoints/{endpoint_id}")


def imported(receiver: Receiver) -> list[ReceivedRequest]:
    """What was received of the old system's events: others, of users of other tests, have keys of our own."""
    return [each for each in receiver.requests if each.headers["webhook-id"].startswith("event-")]


async def _execute(url: str, sql: str, *values: object) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql, *values)
    await connection.close()


async def _waiting(almanac: RunningStack, http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Two events that were imported and wait."""
    parameters: dict[str, str | int] = {"status": "PENDING", "eventType": "NOTIFICATION", "limit": 200}
    items: list[dict[str, Any]] = (await http.get(f"{almanac.event}/v1/events", params=parameters)).json()["items"]
    return [each for each in items if each["idempotencyKey"].startswith("event-notification-")][:2]


async def _now(almanac: RunningStack, http: httpx.AsyncClient, event: dict[str, Any]) -> None:
    answer = await http.post(f"{almanac.event}/v1/events/{event['id']}/reschedule", json={"at": "now"})
    assert answer.status_code == 200, answer.text
