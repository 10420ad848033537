"""References in code and documents lead somewhere: to a file of the project, and to a heading of it."""

import re
from collections.abc import Iterator
from pathlib import Path

from project_files import ROOT, documents, text_files

# Spelled in halves, so that this file does not name what it looks for.
RETIRED = ("design" + " §", "source" + " document")
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _headings(document: Path) -> set[str]:
    """The anchors of a document, by GitHub's rule: lower case, spaces to hyphens, no punctuation, repeats counted."""
    anchors: set[str] = set()
    for line in CODE_BLOCK.sub("", document.read_text(encoding="utf-8")).splitlines():
        if not re.match(r"#{1,6} ", line):
            continue
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("# ").strip())
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = sum(1 for each in anchors if re.fullmatch(re.escape(anchor) + r"(-\d+)?", each))
        anchors.add(f"{anchor}-{count}" if anchor in anchors else anchor)
    return anchors


def _links(document: Path) -> Iterator[tuple[str, str]]:
    """The relative links of a document: path (may be empty) and anchor (may be empty)."""
    text = CODE_BLOCK.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def test_retired_plan_is_cited_nowhere() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {phrase}"
        for path in text_files()
        if path.name != "CHANGELOG.md"
        for phrase in RETIRED
        if phrase in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_documents_that_code_cites_have_the_heading() -> None:
    cited = 0
    for path in text_files():
        if path.suffix == ".md":
            continue
        for document, anchor in re.findall(r"(?<![\w/.])(docs/[\w/-]+\.md)(?:#([a-z0-9-]+))?", path.read_text("utf-8")):
            if "metrics/" in document:  # kube-state-metrics' own documents, in tests/deploy/exporters.yaml
                continue
            cited += 1
            assert (ROOT / document).is_file(), f"{path.relative_to(ROOT)} cites {document}"
            assert not anchor or anchor in _headings(ROOT / document), (
                f"{path.relative_to(ROOT)} cites {document}#{anchor}"
            )
    assert cited > 50


def test_adrs_that_code_cites_exist() -> None:
    numbers = {int(path.name[:4]) for path in (ROOT / "docs/adr").glob("0*.md")}
    for path in text_files():
        cited = {int(number) for number in re.findall(r"\bADR (\d+)\b", path.read_text(encoding="utf-8"))}
        assert cited <= numbers, path.relative_to(ROOT)


def test_links_of_documents_lead_to_a_file_and_a_heading() -> None:
    checked = 0
    for document in documents():
        for path, anchor in _links(document):
            target = (document.parent / path).resolve() if path else document
            where = f"{document.relative_to(ROOT)} links to {path}#{anchor}"
            assert target.exists(), where
            assert not anchor or target.suffix != ".md" or anchor in _headings(target), where
            checked += 1
    assert checked > 100


def test_every_adr_is_in_the_index() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs/adr").glob("0*.md"):
        assert f"[{int(path.name[:4])}]({path.name})" in index, path.name
