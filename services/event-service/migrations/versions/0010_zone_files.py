"""The rules of zones as files, by their fingerprints: for when a release of tzdata drops a zone that is in use."""

from chassis.database.migrations import execute_script

revision = "0010"
down_revision = "0009"

CREATE = """
CREATE TABLE zone_files (
    fingerprint text PRIMARY KEY,
    rules       bytea NOT NULL
);
"""


def upgrade() -> None:
    execute_script(CREATE)
