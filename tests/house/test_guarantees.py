"""Every test that docs/guarantees.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")))
    assert len(named) > 20
    there: set[str] = set()
    for folder in ("tests", "libs", "services", "deploy"):
        for path in (ROOT / folder).rglob("test_*.py"):
            there.update(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - there == set()
