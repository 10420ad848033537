"""Processes read revisions by themselves, and find what alembic finds."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.database import revisions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", sorted((ROOT / "services").glob("*/migrations")), ids=lambda path: path.parent.name)
def test_what_a_revision_says_of_itself_is_what_alembic_reads(folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    read = revisions.read(folder)
    assert read == {script.revision: script.down_revision for script in scripts.walk_revisions()}
    assert revisions.newest(read) == scripts.get_current_head()
