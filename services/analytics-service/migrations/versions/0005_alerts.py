"""Alerts with their history, silences, and the notifications that wait to be sent."""

from chassis.database.migrations import execute_script

revision = "0005"
down_revision = "0004"

# All instants are in real time: a simulated clock must not page an operator.
CREATE = """
CREATE TABLE alerts (
    id              uuid PRIMARY KEY,
    fingerprint     text NOT NULL,
    rule            text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('critical', 'warning')),
    labels          jsonb NOT NULL,
    state           text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    value           double precision NOT NULL,
    summary         text NOT NULL,
    since           timestamptz NOT NULL,
    flaps           integer NOT NULL,
    fired_at        timestamptz,
    well_since      timestamptz,
    resolved_at     timestamptz,
    notified_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text,
    CHECK ((state = 'pending') = (fired_at IS NULL)),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX alerts_live ON alerts (fingerprint) WHERE state <> 'resolved';
CREATE INDEX alerts_resolved ON alerts (resolved_at DESC, id DESC) WHERE state = 'resolved';

-- What happened to alerts, complete in itself: an alert's row is forgotten before.
CREATE TABLE alert_changes (
    id       uuid PRIMARY KEY,
    alert_id uuid NOT NULL,
    at       timestamptz NOT NULL,
    change   text NOT NULL CHECK (change IN ('fired', 'resolved', 'acknowledged')),
    rule     text NOT NULL,
    severity text NOT NULL,
    labels   jsonb NOT NULL,
    value    double precision NOT NULL,
    summary  text NOT NULL,
    by       text,
    note     text
);
CREATE INDEX alert_changes_newest ON alert_changes (at DESC, id DESC);

CREATE TABLE silences (
    id         uuid PRIMARY KEY,
    rule       text,
    labels     jsonb NOT NULL,
    until      timestamptz NOT NULL,
    reason     text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    ended_by   text
);
CREATE INDEX silences_newest ON silences (created_at DESC, id DESC);

-- An outbox of its own: one row is one message to one channel. due_at is when to try (again); while somebody tries, it
-- is when that somebody is given up. Of one alert and channel the earliest goes first.
CREATE TABLE notifications (
    id           uuid PRIMARY KEY,
    channel      text NOT NULL,
    dedup_key    text NOT NULL,
    action       text NOT NULL CHECK (action IN ('trigger', 'acknowledge', 'resolve')),
    content      jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    error        text,
    sent_at      timestamptz,
    abandoned_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX notifications_waiting ON notifications (channel, dedup_key, id)
    WHERE sent_at IS NULL AND abandoned_at IS NULL;
CREATE INDEX notifications_created ON notifications USING brin (created_at) WITH (pages_per_range = 16);
"""


def upgrade() -> None:
    execute_script(CREATE)
