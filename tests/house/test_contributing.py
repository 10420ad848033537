"""CONTRIBUTING.md names files and commands that exist, and README.md stays short."""

import re

import pytest
from project_files import ROOT

CHANGES = (
    "An event type",
    "A delivery channel",
    "A user field",
    "A column",
    "An alert",
    "A metric",
    "A setting",
    "A page of the console",
    "A message between services",
)
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
README_LINES = 150


@pytest.mark.parametrize("title", CHANGES)
def test_every_path_of_a_change_exists(title: str) -> None:
    section = TEXT.split(f"### {title}\n")[1].split("\n#")[0]
    paths = re.findall(r"`((?:libs|services|deploy|tests|docs|bench)/[^`\s]+)`", section)
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {name for line in re.findall(r"`make ([^`]+)`", TEXT) for name in re.findall(r"[a-z][a-z-]+", line)}
    assert len(named) > 20
    assert named - targets == set()


def test_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES
