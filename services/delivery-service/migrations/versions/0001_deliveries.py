"""Endpoints, events with their fan-out, deliveries and attempts (docs/architecture.md#delivery)."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V1

revision = "0001"
down_revision = None

CREATE = """
-- url is null where the address is the person's own (email, sms) or a secret itself (slack). Secrets and custom headers
-- are in sealed, which no one reads without a key of the settings. A null array stands for all, a null limit for none.
-- Seconds are of real time; disabled_at, created_at and updated_at are almanac_now() time.
CREATE TABLE endpoints (
    id                 uuid PRIMARY KEY,
    version            integer NOT NULL,
    kind               text NOT NULL CHECK (kind IN ('webhook', 'email', 'sms', 'slack')),
    url                text,
    description        text,
    event_types        text[],
    priorities         smallint[],
    tags               text[],
    operational_events text[],
    timeout_seconds    integer NOT NULL CHECK (timeout_seconds BETWEEN 1 AND 30),
    rate_limit         double precision CHECK (rate_limit > 0),
    concurrency        integer CHECK (concurrency > 0),
    retry_schedule     double precision[],
    subject            text,
    text               text,
    html               text,
    enabled            boolean NOT NULL,
    disabled_reason    text,
    disabled_at        timestamptz,
    sealed             text NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CHECK (NOT enabled OR disabled_reason IS NULL AND disabled_at IS NULL)
);
CREATE INDEX endpoints_newest ON endpoints (created_at DESC, id DESC);

-- Whether an endpoint is to be left alone, for all workers to see. A row comes with the first failure. attempts and
-- failures are halved with time. probe_at is when to try again where the state is not CLOSED. All in real time.
CREATE TABLE circuits (
    endpoint_id   uuid PRIMARY KEY REFERENCES endpoints ON DELETE CASCADE,
    state         text NOT NULL CHECK (state IN ('CLOSED', 'OPEN', 'HALF_OPEN')),
    attempts      double precision NOT NULL,
    failures      double precision NOT NULL,
    counted_at    timestamptz NOT NULL,
    in_row        integer NOT NULL,
    failing_since timestamptz,
    trips         integer NOT NULL,
    probe_at      timestamptz,
    CHECK ((state = 'CLOSED') = (probe_at IS NULL))
) WITH (fillfactor = 50);

-- A bucket of tokens for each endpoint with a rate limit; granted is what the last claim got of it.
CREATE TABLE meters (
    endpoint_id uuid PRIMARY KEY REFERENCES endpoints ON DELETE CASCADE,
    rate        double precision NOT NULL,
    tokens      double precision NOT NULL,
    refilled_at timestamptz NOT NULL,
    granted     integer NOT NULL
) WITH (fillfactor = 50);

-- An operational event is one of the service's own, and due the body of its webhook; event-service knows nothing of it.
-- received_at, target_at, expires_at and finished_at are almanac_now() time. No foreign keys between the next three:
-- one transaction writes an event with its deliveries, one statement sweeps them, and a check for each row would cost
-- more than the row itself.
CREATE TABLE events (
    id            uuid PRIMARY KEY,
    attempt       integer NOT NULL,
    user_id       uuid,
    event_type    text NOT NULL,
    priority      smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
    due           text NOT NULL,
    target_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    late          boolean NOT NULL,
    traceparent   text,
    queue_seconds double precision,
    received_at   timestamptz NOT NULL,
    remaining     integer NOT NULL CHECK (remaining >= 0),
    finished_at   timestamptz,
    operational   boolean NOT NULL DEFAULT false,
    CHECK (operational = (user_id IS NULL)),
    CHECK ((remaining = 0) = (finished_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX events_user ON events (user_id);
CREATE INDEX events_finished ON events USING brin (finished_at) WITH (pages_per_range = 16);

-- due_at is when to try next while lease is null, and when the lease ends while it is not; both in real time.
-- endpoint_id is null in the one row of an event that no endpoint wanted. Where expires_at is null the event's own
-- holds: who redrives what has expired gives it a later one.
CREATE TABLE deliveries (
    id              uuid PRIMARY KEY,
    event_id        uuid NOT NULL,
    endpoint_id     uuid,
    priority        smallint NOT NULL,
    status          text NOT NULL CHECK (status IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    reason          text,
    attempts        integer NOT NULL DEFAULT 0,
    tries           integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    lease           uuid,
    http_status     smallint,
    latency_seconds double precision,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    UNIQUE (event_id, endpoint_id),
    CHECK ((status = 'PENDING') = (finished_at IS NULL)),
    CHECK (endpoint_id IS NOT NULL OR status = 'FAILED')
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX deliveries_due ON deliveries (priority, endpoint_id, due_at) WHERE status = 'PENDING';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);

CREATE TABLE attempts (
    delivery_id      uuid NOT NULL,
    number           integer NOT NULL,
    verdict          text NOT NULL CHECK (verdict IN ('succeeded', 'retry', 'rejected', 'gone')),
    http_status      smallint,
    error            text,
    headers          jsonb,
    excerpt          text,
    started_at       timestamptz NOT NULL,
    duration_seconds double precision NOT NULL,
    trace_id         text,
    PRIMARY KEY (delivery_id, number)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

-- What was given up. A delivery that fails again after a redrive gets a row of its own. A message that
-- could not be read has a queue and no delivery; what no endpoint wanted has neither. created_at and resolved_at are
-- almanac_now() time. The chassis' table of dead letters has no row of this service.
CREATE TABLE delivery_dead_letters (
    id          uuid PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('OPEN', 'REDRIVEN', 'DISCARDED')),
    reason      text NOT NULL,
    detail      text,
    delivery_id uuid,
    event_id    uuid,
    user_id     uuid,
    event_type  text,
    priority    smallint,
    endpoint_id uuid,
    payload     text NOT NULL,
    attempts    integer NOT NULL,
    http_status smallint,
    trace_id    text,
    queue       text,
    message_id  text,
    created_at  timestamptz NOT NULL,
    resolved_at timestamptz,
    note        text,
    UNIQUE (queue, message_id),
    CHECK ((status = 'OPEN') = (resolved_at IS NULL))
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX delivery_dead_letters_event ON delivery_dead_letters (event_id);
CREATE INDEX delivery_dead_letters_endpoint ON delivery_dead_letters (endpoint_id, id);
CREATE INDEX delivery_dead_letters_created ON delivery_dead_letters USING brin (created_at) WITH (pages_per_range = 16);

-- Redrives of many: the filter, how far it has come (by the letters' ids, up to the newest at its beginning).
CREATE TABLE redrives (
    id          uuid PRIMARY KEY,
    selection   jsonb NOT NULL,
    last        uuid NOT NULL,
    position    uuid,
    total       bigint NOT NULL,
    redriven    bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX redrives_running ON redrives (id) WHERE finished_at IS NULL;

-- UUIDv7 (RFC 9562 §5.7): the order of ids is the order of creation, so lists need no index but the key.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT CAST(lpad(to_hex(CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)), 12, '0')
        || '7' || substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 14) AS uuid)
$$;
"""


def upgrade() -> None:
    execute_script(CREATE_V1 + CREATE)
