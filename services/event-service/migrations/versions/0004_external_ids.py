"""What the client's own system calls users, and the idempotency keys of events that come from it."""

from chassis.database.migrations import execute_script

revision = "0004"
down_revision = "0003"

EXTERNAL_IDS = """
ALTER TABLE recipients ADD COLUMN external_id text;
ALTER TABLE events ADD COLUMN external_id text;
ALTER TABLE events ADD COLUMN idempotency_key text;  -- NULL: the event's id
"""


def upgrade() -> None:
    execute_script(EXTERNAL_IDS)
