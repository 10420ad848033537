"""How schedules catch up: the policy, where they begin again after a change, and what events stand for others."""

from chassis.database.migrations import execute_script

revision = "0007"
down_revision = "0006"

COLUMNS = """
ALTER TABLE schedules ADD COLUMN catch_up text CHECK (catch_up IN ('one', 'all', 'none'));  -- NULL: by the rule
ALTER TABLE schedules ADD COLUMN floor_at timestamptz;  -- NULL: its rule and zone are those that it began with
ALTER TABLE schedules ADD COLUMN has_moved boolean NOT NULL DEFAULT false;
ALTER TABLE events ADD COLUMN coalesced integer NOT NULL DEFAULT 0;  -- occurrences that it counts
"""


def upgrade() -> None:
    execute_script(COLUMNS)
