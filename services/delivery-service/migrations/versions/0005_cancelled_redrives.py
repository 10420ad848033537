"""A redrive of many can be called off."""

from chassis.database.migrations import execute_script

revision = "0005"
down_revision = "0004"

takes_away = {"rows of redrives against redrives_check": "code of before knows no `cancelled`, and its rows are not"}

CANCELLED = """
ALTER TABLE redrives ADD COLUMN cancelled boolean NOT NULL DEFAULT false;
ALTER TABLE redrives ADD CHECK (NOT cancelled OR finished_at IS NOT NULL);
"""


def upgrade() -> None:
    execute_script(CANCELLED)
