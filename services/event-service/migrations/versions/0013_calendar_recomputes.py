"""Recomputes of working days are recorded as those of zones are: while they run, with their sums."""

from chassis.database.migrations import execute_script

revision = "0013"
down_revision = "0012"

CHANGE = """
ALTER TABLE calendar_recomputes
    ADD COLUMN examined bigint NOT NULL DEFAULT 0,
    ADD COLUMN moved bigint NOT NULL DEFAULT 0,
    ADD COLUMN replaced bigint NOT NULL DEFAULT 0,
    ADD COLUMN began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ALTER COLUMN calendars SET DEFAULT '{}',
    ALTER COLUMN finished_at DROP NOT NULL,
    ALTER COLUMN finished_at DROP DEFAULT;
"""


def upgrade() -> None:
    execute_script(CHANGE)
