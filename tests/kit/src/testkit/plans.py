"""What PostgreSQL does to answer a statement, for tests that a large table is not read whole."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

Node = Mapping[str, Any]
"""A node of a plan, by the names of ``EXPLAIN (FORMAT JSON)``."""


async def explain(
    engine: AsyncEngine, statement: TextClause, values: Mapping[str, object], *, after: str = "SELECT"
) -> list[Node]:
    """Execute ``statement`` after another one, roll both back, and return the nodes that were executed."""
    async with engine.connect() as connection:
        await connection.execute(text(after))
        found = await connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}"), values)
        explained = found.scalar_one()
    [plan] = json.loads(explained) if isinstance(explained, str) else explained
    return [node for node in nodes(plan["Plan"]) if node["Actual Loops"] > 0]


def nodes(plan: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def tables_read_whole(executed: Sequence[Node]) -> list[str]:
    """But for those that are empty: a table is no longer than its index there."""
    whole = [node for node in executed if node["Node Type"] == "Seq Scan" and node["Relation Name"] != "clock_map"]
    return [node["Relation Name"] for node in whole if pages_read(node) > 0]


def pages_read(node: Node) -> int:
    """Of the table and its indexes, by the node and those below it, in all loops."""
    pages: int = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
    return pages


def indexes_used(executed: Sequence[Node]) -> set[str]:
    return {node["Index Name"] for node in executed if "Index Name" in node}


def rows_read(executed: Sequence[Node], index: str) -> float:
    """By way of all indexes whose names end with ``index``, those included that a filter then removed."""
    return math.fsum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in executed
        if node.get("Index Name", "").endswith(index)
    )
