"""Rollups, engagement, timelines, announced dead letters."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V1

revision = "0001"
down_revision = None

# Every fact counts in its minute, its hour and its day at once, so that any range is a few rows, exact at any time, and
# nothing has to be rolled up later. Rows of the current spans are updated with every batch: room in their pages keeps
# those updates off the indexes.
CREATE = """
CREATE TABLE counts (
    grain      text NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    start      timestamptz NOT NULL,
    kind       text NOT NULL,
    event_type text,
    priority   smallint,
    count      bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (grain, start, kind, event_type, priority)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE latencies (
    grain      text NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    start      timestamptz NOT NULL,
    measure    text NOT NULL,
    event_type text NOT NULL,
    priority   smallint NOT NULL,
    bucket     smallint NOT NULL,
    count      bigint NOT NULL,
    PRIMARY KEY (grain, start, measure, event_type, priority, bucket)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- What became of deliveries at each endpoint; the bucket is that of the last attempt's latency, null where
-- none was made.
CREATE TABLE endpoint_results (
    grain       text NOT NULL CHECK (grain IN ('minute', 'hour', 'day')),
    start       timestamptz NOT NULL,
    endpoint_id uuid NOT NULL,
    channel     text NOT NULL,
    result      text NOT NULL,
    bucket      smallint,
    count       bigint NOT NULL,
    attempts    bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (grain, start, endpoint_id, channel, result, bucket)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE engagement (
    user_id   uuid PRIMARY KEY,
    delivered bigint NOT NULL,
    failed    bigint NOT NULL,
    last_at   timestamptz NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX engagement_last ON engagement (last_at DESC, user_id DESC);

CREATE TABLE event_timeline (
    event_id uuid NOT NULL,
    at       timestamptz NOT NULL,
    kind     text NOT NULL,
    source   text NOT NULL,
    trace_id text,
    item_id  uuid NOT NULL,
    data     jsonb NOT NULL,
    PRIMARY KEY (event_id, at, item_id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX event_timeline_at ON event_timeline USING brin (at) WITH (pages_per_range = 16);

CREATE TABLE dead_letter_alerts (
    item_id  uuid PRIMARY KEY,
    at       timestamptz NOT NULL,
    source   text NOT NULL,
    event_id uuid,
    trace_id text,
    data     jsonb NOT NULL
);
CREATE INDEX dead_letter_alerts_at ON dead_letter_alerts (at DESC);
"""


def upgrade() -> None:
    execute_script(CREATE_V1 + CREATE)
