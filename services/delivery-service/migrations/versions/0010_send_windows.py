"""Endpoints may ask that deliveries wait for the send window of their event (ADR 31)."""

from chassis.database.migrations import execute_script

revision = "0010"
down_revision = "0009"

# Null is the default of the endpoint's kind.
RESPECT = """
ALTER TABLE endpoints ADD COLUMN respect_send_window boolean;
"""


def upgrade() -> None:
    execute_script(RESPECT)
