"""Whether a database has the schema that this code needs: what every process asks when it starts.

Revisions are parsed, not imported. Alembic would tell as well, but the ``migrate`` command alone loads it
(:mod:`chassis.database.migrations`): with the templates and the highlighting that it imports it takes nine megabytes.
"""

import ast
import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.database import Database

_TABLE = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_CURRENT = text("SELECT version_num FROM alembic_version")


async def pending(database: Database, migrations: Path) -> str | None:
    """None where the database is at the newest revision (or past it), else one line that says what is missing.

    Raises:
        ValueError: the revisions have more than one end, or none.
    """
    before = await asyncio.to_thread(read, migrations)
    head = newest(before)
    async with database.read() as connection:
        there = await current(connection)
    if there is None:
        return "the database has no schema: run the `migrate` command"
    if there in before and there != head:
        return f"the database is at revision {there}, this code needs {head}: run the `migrate` command"
    return None


async def current(connection: AsyncConnection) -> str | None:
    """Return the revision that the database is at, or None where nothing was migrated yet."""
    there = (await connection.execute(_TABLE)).scalar_one()
    return (await connection.execute(_CURRENT)).scalar_one_or_none() if there else None


def read(migrations: Path) -> dict[str, str | None]:
    """Each revision, with the one before it."""
    said = [_constants(path) for path in (migrations / "versions").glob("*.py")]
    return {each["revision"]: each["down_revision"] for each in said}


def newest(before: Mapping[str, str | None]) -> str:
    """The one that none comes after. Raises ValueError where that is not one."""
    [head] = before.keys() - set(before.values())
    return head


def _constants(path: Path) -> dict[str, Any]:
    """What a module binds to names at its top, as far as that is plain."""
    return {
        target.id: node.value.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
