"""An endpoint's owner is warned before the endpoint is disabled for failing."""

from chassis.database.migrations import execute_script

revision = "0008"
down_revision = "0007"

# When the warning was sent, in real time; null where none was since the last success.
WARNINGS = """
ALTER TABLE circuits ADD COLUMN warned_at timestamptz;
"""


def upgrade() -> None:
    execute_script(WARNINGS)
