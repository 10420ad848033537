"""When users may be reached, and in which language."""

from chassis.database.migrations import execute_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute_script("ALTER TABLE users ADD COLUMN send_window jsonb, ADD COLUMN locale text;")
