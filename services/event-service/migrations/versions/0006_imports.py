"""Imports of schedules, events and history, and users by their external ids."""

from chassis.database.migrations import execute_script
from chassis.imports.jobs import CREATE

revision = "0006"
down_revision = "0005"

USERS_BY_EXTERNAL_ID = """
CREATE INDEX recipients_external_id ON recipients (external_id) WHERE external_id IS NOT NULL;
"""


def upgrade() -> None:
    execute_script(CREATE + USERS_BY_EXTERNAL_ID)
