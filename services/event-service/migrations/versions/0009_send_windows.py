"""When events may be sent, spread over how long, on which days, and in which language (ADR 31, 32)."""

from chassis.database.migrations import execute_script

revision = "0009"
down_revision = "0008"

# An event's send_window and user_window are NULL where it has none of its own: then its type's counts.
CHANGE = """
ALTER TABLE recipients ADD COLUMN send_window jsonb, ADD COLUMN locale text;
ALTER TABLE schedules
    ADD COLUMN send_window jsonb,
    ADD COLUMN ignores_window boolean NOT NULL DEFAULT false,
    ADD COLUMN user_window jsonb,
    ADD COLUMN user_timezone text,
    ADD COLUMN business_days jsonb,
    ADD COLUMN spread_seconds integer NOT NULL DEFAULT 0 CHECK (spread_seconds BETWEEN 0 AND 86400),
    ADD COLUMN messages jsonb NOT NULL DEFAULT '{}';
CREATE INDEX schedules_business_days ON schedules ((business_days ->> 'country')) WHERE business_days IS NOT NULL;
ALTER TABLE broadcasts
    ADD COLUMN send_window jsonb,
    ADD COLUMN ignores_window boolean NOT NULL DEFAULT false,
    ADD COLUMN spread_seconds integer NOT NULL DEFAULT 0 CHECK (spread_seconds BETWEEN 0 AND 86400),
    ADD COLUMN messages jsonb NOT NULL DEFAULT '{}';
ALTER TABLE events
    ADD COLUMN planned_at timestamptz,
    ADD COLUMN send_window jsonb,
    ADD COLUMN user_window jsonb,
    ADD COLUMN ignores_window boolean NOT NULL DEFAULT false,
    ADD COLUMN window_timezone text,
    ADD COLUMN spread_seconds integer NOT NULL DEFAULT 0;
-- Those that wait for an opening are counted from it alone.
CREATE INDEX events_waiting ON events (target_timestamp_utc) WHERE status = 'PENDING' AND planned_at IS NOT NULL;

-- What each release of the holidays package that was ever in use said of each calendar in use, and what it moved.
CREATE TABLE calendar_rules (
    release       text NOT NULL,
    calendar      text NOT NULL,
    fingerprint   text NOT NULL,
    remembered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (release, calendar)
);
CREATE TABLE calendar_recomputes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release     text NOT NULL,
    calendars   jsonb NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A calendar feed is read by whoever has its token, of which a digest is kept.
CREATE TABLE calendar_feeds (
    id           uuid PRIMARY KEY,
    token_sha256 text NOT NULL UNIQUE,
    name         text NOT NULL,
    user_id      uuid,
    schedule_id  uuid,
    tag          text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at   timestamptz,
    CHECK (num_nonnulls(user_id, schedule_id, tag) = 1)
);
CREATE INDEX calendar_feeds_newest ON calendar_feeds (created_at, id);
"""


def upgrade() -> None:
    execute_script(CHANGE)
