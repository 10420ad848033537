"""What the client's own system calls a user."""

from chassis.database.migrations import execute_script

revision = "0004"
down_revision = "0003"

EXTERNAL_IDS = """
ALTER TABLE users ADD COLUMN external_id text;
CREATE UNIQUE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
"""


def upgrade() -> None:
    execute_script(EXTERNAL_IDS)
