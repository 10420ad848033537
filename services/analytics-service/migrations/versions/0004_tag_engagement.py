"""Engagement by tag."""

from chassis.database.migrations import execute_script

revision = "0004"
down_revision = "0003"

# The id makes a place in an order of text that a cursor can hold.
CREATE = """
CREATE TABLE tag_engagement (
    tag       text PRIMARY KEY,
    id        uuid GENERATED ALWAYS AS (CAST(md5(tag) AS uuid)) STORED,
    delivered bigint NOT NULL,
    failed    bigint NOT NULL,
    last_at   timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX tag_engagement_last ON tag_engagement (last_at DESC, id DESC);
"""


def upgrade() -> None:
    execute_script(CREATE)
