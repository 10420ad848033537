"""The prose of the project: documents, docstrings, comments, messages and test names, each with its place."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from project_files import ROOT, text_files

AREAS = ("documents", "docstrings", "comments", "messages", "test names")
_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"``[^`]*``|`[^`]*`")
_LINK_TARGET = re.compile(r"\]\([^)]*\)")
_HASH_COMMENTS = (".yaml", ".yml", ".toml", ".sh")
_SQL = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|FROM|WHERE)\b|\w\.\w+, \w\.\w+")
_WORDS_OF_A_MESSAGE = 2
"""A literal of fewer words is a name, not a message."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of prose: the area it belongs to, its place, and its text without code."""

    area: str
    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Its place and its text, in one line."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {' '.join(self.text.split())}"


def _without_code(text: str) -> str:
    return _LINK_TARGET.sub("]", _INLINE_CODE.sub("`…`", text))


def _document(path: Path, text: str) -> Iterator[Passage]:
    blanked = _CODE_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    for number, line in enumerate(blanked.split("\n"), 1):
        if line.strip() and not line.startswith("    "):
            yield Passage("documents", path, number, _without_code(line))


def _hash_comments(path: Path, text: str, mark: str) -> Iterator[Passage]:
    for number, line in enumerate(text.split("\n"), 1):
        found = re.search(rf"(?:^|\s){re.escape(mark)}+ (.*)$", line)
        if found:
            yield Passage("comments", path, number, _without_code(found[1]))


def _is_message(text: str) -> bool:
    words = re.findall(r"[A-Za-z]{2,}", text)
    return len(words) >= _WORDS_OF_A_MESSAGE and " " in text.strip() and not _SQL.search(text)


def _docstrings(tree: ast.AST) -> dict[int, ast.Constant]:
    return {
        id(node.value): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _python(path: Path, text: str) -> Iterator[Passage]:
    tree = ast.parse(text)
    documented = _docstrings(tree)
    test = "tests" in path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else False
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield Passage("test names", path, node.lineno, node.name.replace("_", " "))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in documented:
                yield Passage("docstrings", path, node.lineno, _without_code(node.value))
            elif not test and _is_message(node.value):
                yield Passage("messages", path, node.lineno, _without_code(node.value))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            yield Passage("comments", path, token.start[0], _without_code(token.string.lstrip("# ")))


def passages_of(path: Path) -> Iterator[Passage]:
    """Yields the passages of one file; none of a kind of file that has no prose."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from _document(path, text)
    elif path.suffix == ".py":
        yield from _python(path, text)
    elif path.suffix == ".sql":
        yield from _hash_comments(path, text, "--")
    elif path.suffix in _HASH_COMMENTS or path.name == "Makefile":
        yield from _hash_comments(path, text, "#")


SKIPPED = ("tests/deploy/golden/", "CHANGELOG.md", "tests/house/plain_words.py")
"""Generated from other files, the history of old names, and the list of the words itself."""


@cache
def passages() -> tuple[Passage, ...]:
    """Every passage of the project, in the order of paths."""
    return tuple(
        passage
        for path in text_files()
        if not str(path.relative_to(ROOT)).startswith(SKIPPED)
        for passage in passages_of(path)
    )
