"""Recipients, schedules, and events partitioned by month (docs/architecture.md#tables)."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V1
from contracts.identity import DERIVE_ID_SQL

revision = "0001"
down_revision = None

CREATE = """
CREATE TABLE recipients (
    user_id       uuid PRIMARY KEY,
    version       bigint NOT NULL,
    deleted       boolean NOT NULL DEFAULT false,
    first_name    text,
    last_name     text,
    date_of_birth date,
    timezone      text,
    delivery_time time,
    anniversaries jsonb,
    tags          text[],
    contact       jsonb,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (deleted OR (first_name IS NOT NULL AND last_name IS NOT NULL AND date_of_birth IS NOT NULL
           AND timezone IS NOT NULL AND delivery_time IS NOT NULL AND anniversaries IS NOT NULL
           AND tags IS NOT NULL AND contact IS NOT NULL))
);
CREATE INDEX recipients_tombstones ON recipients (updated_at) WHERE deleted;

-- Of a schedule that is ACTIVE, next_at is always known: with a live event it is that event's instant, without one the
-- event is too far ahead to be made yet. PAUSED ones keep a live event only while it is in hand, ENDED ones never.
CREATE TABLE schedules (
    id              uuid PRIMARY KEY,
    version         integer NOT NULL DEFAULT 1,
    user_id         uuid NOT NULL,
    event_type      text NOT NULL,
    source          text NOT NULL CHECK (source IN ('user', 'api')),
    status          text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'PAUSED', 'ENDED')),
    priority        smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
    label           text,
    rule            jsonb NOT NULL,
    local_time      time NOT NULL,
    timezone        text NOT NULL,
    follows_user    boolean NOT NULL,
    gap             text CHECK (gap IN ('shift_forward', 'skip')),
    overlap         text CHECK (overlap IN ('first', 'second')),
    leap_day        text CHECK (leap_day IN ('BACKWARD', 'FORWARD', 'OMIT')),
    grace_seconds   integer CHECK (grace_seconds > 0),
    expiry_seconds  integer CHECK (expiry_seconds > 0),
    message         text,
    payload         jsonb NOT NULL DEFAULT '{}',
    last_occurrence text,
    live_event_id   uuid,
    next_at         timestamptz,
    traceparent     text,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (live_event_id IS NULL OR next_at IS NOT NULL),
    CHECK (CASE status WHEN 'ACTIVE' THEN next_at IS NOT NULL WHEN 'ENDED' THEN next_at IS NULL ELSE true END)
) WITH (fillfactor = 85);
CREATE INDEX schedules_user ON schedules (user_id);
CREATE INDEX schedules_list ON schedules (event_type, status, created_at, id);
CREATE UNIQUE INDEX schedules_live_event ON schedules (live_event_id) WHERE live_event_id IS NOT NULL;
CREATE INDEX schedules_waiting ON schedules (next_at) WHERE live_event_id IS NULL AND next_at IS NOT NULL;

-- after_user_id: users are looked at in the order of their ids, up to this one so far, and nobody twice.
CREATE TABLE broadcasts (
    id             uuid PRIMARY KEY,
    status         text NOT NULL DEFAULT 'SCHEDULING'
        CHECK (status IN ('SCHEDULING', 'SCHEDULED', 'CANCELLING', 'CANCELLED')),
    audience       jsonb NOT NULL,
    wall           timestamp,
    instant        timestamptz,
    priority       smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
    message        text NOT NULL,
    payload        jsonb NOT NULL,
    gap            text CHECK (gap IN ('shift_forward', 'skip')),
    overlap        text CHECK (overlap IN ('first', 'second')),
    grace_seconds  integer NOT NULL CHECK (grace_seconds > 0),
    expiry_seconds integer NOT NULL CHECK (expiry_seconds >= grace_seconds),
    recipients     bigint NOT NULL DEFAULT 0,
    scheduled      bigint NOT NULL DEFAULT 0,
    after_user_id  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    traceparent    text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((wall IS NULL) <> (instant IS NULL))
);
CREATE INDEX broadcasts_newest ON broadcasts (created_at, id);
CREATE INDEX broadcasts_unfinished ON broadcasts (updated_at) WHERE status IN ('SCHEDULING', 'CANCELLING');

CREATE TABLE events (
    id                   uuid NOT NULL,
    target_timestamp_utc timestamptz NOT NULL,
    schedule_id          uuid,
    broadcast_id         uuid,
    user_id              uuid NOT NULL,
    event_type           text NOT NULL,
    occurrence           text NOT NULL,
    status               text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED', 'MISSED')),
    priority             smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
    attempt              integer NOT NULL DEFAULT 1,
    wall                 timestamp,
    timezone             text NOT NULL,
    follows_user         boolean NOT NULL DEFAULT false,
    rescheduled          boolean NOT NULL DEFAULT false,  -- someone moved it: its schedule's rule no longer tells when
    gap                  text,  -- of one that no schedule makes; NULL: as its type has it
    overlap              text,
    tzdata               text NOT NULL,
    grace_until          timestamptz NOT NULL,
    expires_at           timestamptz,  -- NULL: as grace_until
    template             text,
    payload              jsonb NOT NULL,
    tags                 text[] NOT NULL,
    contact              jsonb NOT NULL,
    traceparent          text,
    claim_token          uuid,
    claimed_until        timestamptz,
    published_at         timestamptz,
    finished_at          timestamptz,
    reason               text,
    history              jsonb NOT NULL,
    version              integer NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, target_timestamp_utc)
) PARTITION BY RANGE (target_timestamp_utc);
CREATE INDEX events_pending ON events (priority, target_timestamp_utc) WHERE status = 'PENDING';
CREATE INDEX events_processing ON events (target_timestamp_utc) WHERE status = 'PROCESSING';
CREATE INDEX events_user ON events (user_id, target_timestamp_utc);
-- Those that no schedule names: a change of their user has to find them by the user alone.
CREATE INDEX events_alone ON events (user_id) WHERE status = 'PENDING' AND schedule_id IS NULL;
CREATE INDEX events_list ON events (event_type, status, target_timestamp_utc, id);
CREATE INDEX events_broadcast ON events (broadcast_id, status, target_timestamp_utc, id)
    WHERE broadcast_id IS NOT NULL;

-- What each release of the IANA database that was ever in use said of each zone, and what its changes moved.
CREATE TABLE zone_rules (
    tzdata        text NOT NULL,
    zone          text NOT NULL,
    fingerprint   text NOT NULL,
    remembered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tzdata, zone)
);
CREATE TABLE zone_recomputes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tzdata      text NOT NULL,
    examined    bigint NOT NULL DEFAULT 0,
    moved       bigint NOT NULL DEFAULT 0,
    replaced    bigint NOT NULL DEFAULT 0,
    zones       jsonb NOT NULL DEFAULT '{}',
    began_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);

-- Wakes the schedulers of a priority for what is nearer than their next look (notifications; they look at least
-- every two seconds). Whoever inserts or moves, by whatever statement, need not think of it; and no one else notifies,
-- since commits that notify wait for each other: what comes later than that is seen in time without.
CREATE FUNCTION wake_schedulers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('events_due_' || priority, '')
    FROM (SELECT priority, min(target_timestamp_utc) AS first FROM inserted WHERE status = 'PENDING' GROUP BY priority)
        AS nearest
    WHERE almanac_real_delay(first) < 2;
    RETURN NULL;
END $$;
CREATE TRIGGER wake_schedulers AFTER INSERT ON events REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION wake_schedulers();

-- Creates the monthly partitions that hold [first, last]. Each is a table of its own first and is attached then:
-- attaching does not block claims, creating in place would.
CREATE FUNCTION cover_events(first timestamptz, last timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month   timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
    name    text;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('cover_events'));
    WHILE month <= last AT TIME ZONE 'UTC' LOOP
        name := 'events_' || to_char(month, 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)'
                || ' WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02,'
                || ' autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)', name);
            EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            created := created + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN created;
END $$;
SELECT cover_events(clock_timestamp() - interval '1 month', clock_timestamp() + interval '14 months');
"""


def upgrade() -> None:
    execute_script(f"{CREATE_V1}{DERIVE_ID_SQL};{CREATE}")
