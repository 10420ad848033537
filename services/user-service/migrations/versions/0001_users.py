"""Users, their anniversaries, and imports of them."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V1

revision = "0001"
down_revision = None

# Anniversaries are an array in the user's row, not a table: there are at most 20, every announcement carries them all,
# and every change of a user or one of them locks the user's row anyway. So no change reads or writes a second table.
# Every list is newest first, so each filter's index ends with that order: a page is read off it without a sort.
# The spare room in a page lets an update stay on it.
USERS = """
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    version       bigint NOT NULL,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    date_of_birth date NOT NULL,
    timezone      text NOT NULL,
    email         text,
    phone         text,
    tags          text[] NOT NULL,
    delivery_time time NOT NULL,
    anniversaries jsonb NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX users_newest ON users (created_at DESC, id DESC);
CREATE INDEX users_email ON users (lower(email), created_at DESC, id DESC) WHERE email IS NOT NULL;
CREATE INDEX users_timezone ON users (timezone, created_at DESC, id DESC);
CREATE INDEX users_birthday ON users
    (extract(month FROM date_of_birth), extract(day FROM date_of_birth), created_at DESC, id DESC);
CREATE INDEX users_tags ON users USING gin (tags) WHERE tags <> '{}';
"""

# What an import has committed: how far its body was read (lines, bytes, a digest of those bytes), and its results.
# `run` counts the requests that worked on it: the last one alone may go on.
IMPORTS = """
CREATE TABLE imports (
    id         uuid PRIMARY KEY,
    client     text NOT NULL,
    key        text NOT NULL,
    format     text NOT NULL CHECK (format IN ('csv', 'ndjson')),
    status     text NOT NULL CHECK (status IN ('running', 'completed', 'interrupted')),
    run        integer NOT NULL DEFAULT 1,
    line       bigint NOT NULL DEFAULT 0,
    position   bigint NOT NULL DEFAULT 0,
    digest     bytea NOT NULL DEFAULT '',
    rows       bigint NOT NULL DEFAULT 0,
    created    bigint NOT NULL DEFAULT 0,
    refused    bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (client, key)
);
CREATE INDEX imports_newest ON imports (started_at DESC, id DESC);

CREATE TABLE import_errors (
    import_id uuid NOT NULL REFERENCES imports,
    line      bigint NOT NULL,
    faults    jsonb NOT NULL,
    PRIMARY KEY (import_id, line)
);
"""


def upgrade() -> None:
    execute_script(CREATE_V1 + USERS + IMPORTS)
