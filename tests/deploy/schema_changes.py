"""What one schema allowed and another does not: what code that was written for the first would stumble over."""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

_OF_OURS = "t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND t.relname <> 'alembic_version'"
_COLUMNS = f"""
SELECT t.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled,
       d.adbin IS NOT NULL OR a.attidentity <> '' OR a.attgenerated <> '' AS given
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
WHERE t.relkind IN ('r', 'p') AND {_OF_OURS}
"""
# An index on an expression has 0 for its column: then it may be about any.
_RULES = f"""
SELECT t.relname AS table, c.conname AS name, pg_get_constraintdef(c.oid) AS text,
       c.contype IN ('p', 'u', 'x') AS unique,
       ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY (c.conkey)) AS columns
FROM pg_class t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('c', 'f', 'p', 'u', 'x') WHERE {_OF_OURS}
UNION ALL
SELECT t.relname, i.relname, pg_get_indexdef(i.oid), true,
       ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY (x.indkey))
FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid AND x.indisunique JOIN pg_class i ON i.oid = x.indexrelid
WHERE {_OF_OURS} AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid AND contype IN ('p', 'u', 'x'))
"""
_FUNCTIONS = """
SELECT format('%s(%s) %s', p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid))
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
"""


@dataclass(frozen=True)
class Column:
    """``filled``: it cannot be null; ``given``: it has a value of its own where an insert names none."""

    type: str
    filled: bool
    given: bool


@dataclass(frozen=True)
class Rule:
    """A constraint or a unique index."""

    table: str
    text: str
    unique: bool
    columns: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """Columns by table and name, rules by their names, functions with their arguments and result."""

    columns: Mapping[tuple[str, str], Column]
    rules: Mapping[str, Rule]
    functions: frozenset[str]

    @property
    def tables(self) -> set[str]:
        return {table for table, _ in self.columns}


async def read_schema(connection: asyncpg.Connection) -> Schema:
    return Schema(
        columns={
            (row["table"], row["name"]): Column(row["type"], row["filled"], row["given"])
            for row in await connection.fetch(_COLUMNS)
        },
        rules={
            row["name"]: Rule(row["table"], row["text"], row["unique"], frozenset(row["columns"]))
            for row in await connection.fetch(_RULES)
        },
        functions=frozenset(row[0] for row in await connection.fetch(_FUNCTIONS)),
    )


def taken_away(before: Schema, after: Schema) -> set[str]:
    """What worked on the first and may not on the second. Empty where the second only expands the first."""
    missing = {f"table {table}" for table in before.tables - after.tables}
    missing |= {f"function {function}" for function in before.functions - after.functions}
    kept = before.tables & after.tables
    for (table, name), old in before.columns.items():
        new = after.columns.get((table, name))
        if table not in kept:
            continue
        if new is None:
            missing.add(f"column {table}.{name}")
        elif new.type != old.type:
            missing.add(f"type of {table}.{name}")
        elif new.filled and not old.filled:
            missing.add(f"null in {table}.{name}")
        elif old.given and new.filled and not new.given:
            missing.add(f"default of {table}.{name}")
    for (table, name), new in after.columns.items():
        if table in kept and (table, name) not in before.columns and new.filled and not new.given:
            missing.add(f"rows of {table} without {name}")
    for name, rule in after.rules.items():
        former = before.rules.get(name)
        known = {column for column in rule.columns if (rule.table, column) in before.columns}
        # Constraints on new columns alone do not affect older code.
        if rule.table in kept and (former is None or former.text != rule.text) and (known or not rule.columns):
            missing.add(f"rows of {rule.table} against {name}")
    for name, rule in before.rules.items():
        if rule.unique and rule.table in kept and name not in after.rules:
            missing.add(f"uniqueness {name}")
    return missing
