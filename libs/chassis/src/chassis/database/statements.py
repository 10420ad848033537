"""SQL statements in files of their own, for those whose shape matters: a person can paste them into psql."""

import re
from collections.abc import Mapping
from importlib.resources import files

from sqlalchemy import TextClause, text

_HEADING = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)


def load_statements(package: str, name: str) -> Mapping[str, TextClause]:
    """Load the statements of ``sql/<name>.sql`` in a package, by their names.

    Each begins with a line ``-- name: <name>`` and ends with a semicolon. Parameters are ``:like_this``, as in psql.
    Comments stay in the file: they are not sent to PostgreSQL.

    Raises:
        ValueError: a name occurs twice, or there is something before the first name.
    """
    source = files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    before, *parts = _HEADING.split(source)
    names, bodies = parts[::2], parts[1::2]
    if _COMMENT.sub("", before).strip() or len(set(names)) < len(names):
        raise ValueError(f"{package}/sql/{name}.sql: each statement must have a name, and one of its own")
    return {
        name: text(_COMMENT.sub("", body).strip().removesuffix(";")) for name, body in zip(names, bodies, strict=True)
    }
