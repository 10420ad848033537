"""Migrations expand: the previous commit's code runs on the present schema, so that it can be rolled back to."""

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from alembic.script import ScriptDirectory
from schema_changes import Schema, read_schema, taken_away

from chassis.database import migrations
from local_stack.emulator import Emulator
from local_stack.postgres import PostgresServer
from testkit import AwsAccount, Receiver, eventually
from testkit.full_stack import KEY, People, RunningStack, due_in
from testkit.plugin import DatabaseFactory
from testkit.services import SERVICES, running_services

ROOT = Path(__file__).parents[2]
REVISIONS = "services/*/migrations/versions/*.py"
FIRST_REVISIONS = "services/*/migrations/versions/0001_*.py"
NO_HISTORY = "the previous commit is not in this clone: `git fetch --unshallow` (a checkout in CI: `fetch-depth: 0`)"


def _git(*arguments: str) -> str:
    """What git prints; nothing where it has nothing to say, or where there is no git or no repository."""
    if shutil.which("git") is None:
        return ""
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _previous_commit() -> str:
    """The last commit before the newest revision came: the one whose schema is not the present one.

    The commit before this one where there has been none since the first; empty where the clone does not have it.
    """
    if _git("status", "--porcelain", "--", REVISIONS):
        return _git("rev-parse", "--verify", "HEAD")
    newest = _git("log", "-1", "--format=%H", "--diff-filter=A", "--", REVISIONS, f":!{FIRST_REVISIONS}")
    return _git("rev-parse", "--verify", "--quiet", f"{newest or 'HEAD'}^")


@pytest.fixture
def previous_code(tmp_path: Path) -> dict[str, str]:
    """The environment in which the previous commit's packages are imported instead of the present ones."""
    commit = _previous_commit()
    if not commit:
        pytest.skip(NO_HISTORY)
    archive = subprocess.run(["git", "archive", commit, "libs", "services"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "previous", filter="data")
    environment = {"PYTHONPATH": ":".join(map(str, (tmp_path / "previous").glob("*/*/src")))}
    packages = ("chassis", "contracts", *(service.replace("-", "_") for service in SERVICES))
    code = f"import {', '.join(packages)}; print({', '.join(f'{each}.__file__' for each in packages)})"
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert all(file.startswith(f"{tmp_path}/previous/") for file in ran.stdout.split()), ran.stdout
    return environment


@pytest.fixture
async def previous(
    previous_code: dict[str, str],
    postgres: PostgresServer,
    emulator: Emulator,
    aws: AwsAccount,
    database: DatabaseFactory,
    tmp_path: Path,
) -> AsyncIterator[RunningStack]:
    """The previous commit's services, on databases that the present code has migrated."""
    own = {service: {"DATABASE_URL": await database(service)} for service in SERVICES}
    environment = {**aws.environment(), **previous_code}
    async with running_services(tmp_path, postgres, emulator, environment, own) as running:
        yield running


@pytest.mark.thorough
async def test_the_previous_commits_code_greets_a_user_on_the_present_schema(
    previous: RunningStack, receiver: Receiver
) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False) as http:
        answer = await http.post(f"{previous.delivery}/v1/endpoints", json={"url": receiver.url})
        assert answer.status_code == 201, answer.text
        people = People(previous, http, receiver)
        user = await people.create(**due_in(3))
        await people.is_greeted(user)
        completed = await people.has_event(user, "COMPLETED")
        following = await people.has_event(user, "PENDING")
        assert following["occurrence"] == str(int(completed["occurrence"]) + 1)

        # What fails goes its way, too: to a dead letter, which is redriven.
        receiver.always(400)
        unlucky = await people.create(**due_in(3))
        await people.has_event(unlucky, "FAILED")
        (letter,) = (await http.get(f"{previous.delivery}/v1/dead-letters")).json()["items"]
        receiver.always(200)
        redriven = await http.post(f"{previous.delivery}/v1/dead-letters/{letter['id']}/redrive")
        assert redriven.status_code in (200, 202), redriven.text
        await people.has_event(unlucky, "COMPLETED")

        async def counted() -> bool:
            overview = (await http.get(f"{previous.analytics}/v1/metrics/overview")).json()
            return bool(overview["totals"]["completed"] == 2)

        await eventually(counted, interval=0.1)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_revision_takes_nothing_away_that_it_does_not_name(service: str, database: DatabaseFactory) -> None:
    folder = ROOT / "services" / service / "migrations"
    url = await database("")
    connection = await asyncpg.connect(url)
    try:
        before: Schema | None = None
        for script in reversed(list(ScriptDirectory(str(folder)).walk_revisions())):
            await migrations.upgrade(url, folder, to=script.revision)
            after = await read_schema(connection)
            if before is not None:
                named = getattr(script.module, "takes_away", {})
                assert taken_away(before, after) == set(named), f"{service}, revision {script.revision}"
                assert all(named.values()), "each with the reason why nobody misses it"
            before = after
        assert before is not None
        assert len(before.columns) > 10
    finally:
        await connection.close()


TABLE = """
CREATE TABLE people (
    id bigint PRIMARY KEY, name text NOT NULL DEFAULT '', nick text, email text UNIQUE, age int CHECK (age > 0)
);
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
"""


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DROP TABLE people", {"table people"}),
        ("ALTER TABLE people DROP COLUMN nick", {"column people.nick"}),
        ("ALTER TABLE people RENAME COLUMN nick TO alias", {"column people.nick"}),
        ("ALTER TABLE people RENAME TO persons", {"table people"}),
        ("ALTER TABLE people ALTER nick SET NOT NULL", {"null in people.nick"}),
        ("ALTER TABLE people ALTER name DROP DEFAULT", {"default of people.name"}),
        ("ALTER TABLE people ALTER age TYPE bigint", {"type of people.age"}),
        ("ALTER TABLE people ADD score int NOT NULL", {"rows of people without score"}),
        ("ALTER TABLE people ADD CHECK (length(name) < 9)", {"rows of people against people_name_check"}),
        ("CREATE UNIQUE INDEX one_nick ON people (nick)", {"rows of people against one_nick"}),
        (
            "ALTER TABLE people DROP CONSTRAINT people_age_check, ADD CONSTRAINT people_age_check CHECK (age > 9)",
            {"rows of people against people_age_check"},
        ),
        ("ALTER TABLE people DROP CONSTRAINT people_email_key", {"uniqueness people_email_key"}),
        ("DROP FUNCTION double(int)", {"function double(n integer) integer"}),
        ("ALTER TABLE people ADD score int", set()),
        ("ALTER TABLE people ADD score int NOT NULL DEFAULT 0 CHECK (score < 9)", set()),
        ("ALTER TABLE people ALTER name DROP NOT NULL", set()),
        ("CREATE TABLE pets (owner bigint NOT NULL REFERENCES people, UNIQUE (owner))", set()),
        ("CREATE INDEX nicks ON people (nick)", set()),
        ("ALTER TABLE people DROP CONSTRAINT people_age_check", set()),
    ],
)
async def test_what_a_statement_takes_away_is_seen(
    statement: str, missing: set[str], database: DatabaseFactory
) -> None:
    connection = await asyncpg.connect(await database(""))
    try:
        await connection.execute(TABLE)
        before = await read_schema(connection)
        await connection.execute(statement)
        assert taken_away(before, await read_schema(connection)) == missing
    finally:
        await connection.close()
