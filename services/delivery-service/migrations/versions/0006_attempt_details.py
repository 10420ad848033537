"""An attempt explains its fault, and a delivery counts the leases that ended without one."""

from chassis.database.migrations import execute_script

revision = "0006"
down_revision = "0005"

# leases_lost counts leases in a row that ended without a recorded attempt; recording one sets it to 0.
DETAILS = """
ALTER TABLE attempts ADD COLUMN detail text;
ALTER TABLE deliveries ADD COLUMN leases_lost integer NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    execute_script(DETAILS)
