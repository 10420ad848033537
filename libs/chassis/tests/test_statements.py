"""Statements in files."""

import sys
from pathlib import Path

import pytest

from chassis.database.statements import load_statements

TWO = """\
-- Why the first is as it is.
-- name: first
SELECT 1
-- and this, in between
WHERE :parameter;

-- Why the second is.
-- name: second
SELECT ';';
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable package with an empty folder for statements."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "a_package_of_statements"
    (folder / "sql").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder.name


def _write(package: str, tmp_path: Path, source: str) -> None:
    (tmp_path / package / "sql" / "some.sql").write_text(source)


def test_statements_are_found_by_name_without_comments_and_semicolon(package: str, tmp_path: Path) -> None:
    _write(package, tmp_path, TWO)
    statements = load_statements(package, "some")
    assert {name: each.text for name, each in statements.items()} == {
        "first": "SELECT 1\nWHERE :parameter",
        "second": "SELECT ';'",
    }


@pytest.mark.parametrize("source", ["SELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;"])
def test_statement_without_a_name_of_its_own_is_refused(package: str, tmp_path: Path, source: str) -> None:
    _write(package, tmp_path, source)
    with pytest.raises(ValueError, match="must have a name"):
        load_statements(package, "some")
