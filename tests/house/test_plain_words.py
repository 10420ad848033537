"""Documents, docstrings, comments, messages and test names use the words of the field, not private ones."""

from collections import Counter
from pathlib import Path

import pytest
from plain_words import TERMS, Term
from prose import AREAS, Passage, passages, passages_of

# A sentence of each area that breaks a rule, as a file of that area.
PLANTED = {
    "documents": ("page.md", "Nobody is told of it.\n"),
    "docstrings": ("module.py", '"""What is due is taken in hand."""\n'),
    "comments": ("module.py", "VALUE = 1  # the cache that is away is left alone\n"),
    "messages": ("module.py", 'ERROR = "it goes on with what waits"\n'),
    "test names": ("test_module.py", "def test_whoever_asks_is_told() -> None: ...\n"),
    "comments of other files": ("values.yaml", "size: 1  # so many of them are in hand\n"),
}


@pytest.mark.parametrize("area", AREAS)
def test_area_uses_plain_words(area: str) -> None:
    found = [
        f"{passage}\n    {hit!r} is {term.reason}; write: {term.instead}"
        for passage in passages()
        if passage.area == area
        for term, hit in _breaches(passage)
    ]
    assert not found, "\n".join(found)


def test_every_area_is_read() -> None:
    read = Counter(passage.area for passage in passages())
    assert read.keys() == set(AREAS)
    assert min(read.values()) > 100


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_breach_is_found(kind: str, tmp_path: Path) -> None:
    name, text = PLANTED[kind]
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = [passage for passage in passages_of(tmp_path / name) if _breaches(passage)]
    assert [passage.area for passage in found] == [kind.partition(" of ")[0]]


def test_code_and_sql_are_not_prose(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("`nobody`\n\n```\nnobody\n```\n", encoding="utf-8")
    (tmp_path / "module.py").write_text('"""``sealed`` is a column."""\n_SQL = "SELECT p.sealed FROM endpoints p"\n')
    assert [_breaches(each) for name in ("page.md", "module.py") for each in passages_of(tmp_path / name)] == [[], []]


def _breaches(passage: Passage) -> list[tuple[Term, str]]:
    return [(term, found[0]) for term in TERMS for found in term.compiled.finditer(passage.text)]
