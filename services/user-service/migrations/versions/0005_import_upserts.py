"""Imports that change users whom they know by external ids, and that find out who is missing."""

from chassis.database.migrations import execute_script

revision = "0005"
down_revision = "0004"

# Who is in the body of an import with mode=sync: a digest of each external id, since a set of a million is kept for a
# week, and an erased person's id must not stay in it. `began_at` is by the clock that users.created_at goes by.
IMPORT_UPSERTS = """
ALTER TABLE imports
    ADD COLUMN mode text NOT NULL DEFAULT 'upsert' CHECK (mode IN ('upsert', 'sync')),
    ADD COLUMN updated bigint NOT NULL DEFAULT 0,
    ADD COLUMN unchanged bigint NOT NULL DEFAULT 0,
    ADD COLUMN missing bigint,
    ADD COLUMN began_at timestamptz NOT NULL DEFAULT almanac_now();

CREATE TABLE import_seen (
    import_id uuid NOT NULL REFERENCES imports,
    digest    uuid NOT NULL,
    PRIMARY KEY (import_id, digest)
);
"""


def upgrade() -> None:
    execute_script(IMPORT_UPSERTS)
