"""The days of calendars by their fingerprints: for when a release of holidays drops a calendar that is in use."""

from chassis.database.migrations import execute_script

revision = "0014"
down_revision = "0013"

# A bit for each day from 2020 to 2060, set where it is no working day: 1,872 bytes.
CREATE = """
CREATE TABLE calendar_days (
    fingerprint text PRIMARY KEY,
    closed      bytea NOT NULL
);
"""


def upgrade() -> None:
    execute_script(CREATE)
