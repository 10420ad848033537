"""The chassis' own tables, which every service's first migration creates.

A published statement is never edited: a change is a new constant, applied by a new migration in each service.
"""

CREATE_V1 = """
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id     uuid NOT NULL,
    type        text NOT NULL,
    dataversion text NOT NULL,
    item        text NOT NULL,
    traceparent text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at     timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox USING brin (sent_at) WITH (pages_per_range = 16);

CREATE TABLE leases (
    name   text PRIMARY KEY,
    holder uuid NOT NULL,
    until  timestamptz NOT NULL
);

CREATE TABLE inbox (
    item_id     uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX inbox_received ON inbox USING brin (received_at) WITH (pages_per_range = 16);

CREATE TABLE dead_letters (
    id          uuid PRIMARY KEY,
    queue       text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    message_id  text NOT NULL,
    body        text NOT NULL,
    attributes  jsonb NOT NULL,
    trace_id    text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (queue, message_id)
);
CREATE INDEX dead_letters_newest ON dead_letters (created_at DESC, id DESC);

CREATE TABLE idempotency_keys (
    client      text NOT NULL,
    key         text NOT NULL,
    fingerprint text NOT NULL,
    resource_id uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (client, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys USING brin (created_at);

CREATE TABLE clock_map (
    singleton        boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    real_anchor      timestamptz NOT NULL,
    simulated_anchor timestamptz NOT NULL,
    speed            double precision NOT NULL CHECK (speed >= 0),
    stops_at         timestamptz
);

CREATE FUNCTION almanac_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT least(simulated_anchor + (clock_timestamp() - real_anchor) * speed, stops_at) FROM clock_map),
        clock_timestamp())
$$;

CREATE FUNCTION almanac_now_in(seconds double precision) RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT least(simulated_anchor + (clock_timestamp() + make_interval(secs => seconds) - real_anchor) * speed,
            stops_at) FROM clock_map),
        clock_timestamp() + make_interval(secs => seconds))
$$;

CREATE FUNCTION almanac_real_delay(target timestamptz) RETURNS double precision
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT CASE
            WHEN target <= almanac_now() THEN 0
            WHEN speed = 0 OR target > stops_at THEN 'infinity'::double precision
            ELSE extract(epoch FROM target - almanac_now()) / speed
         END FROM clock_map),
        greatest(0, extract(epoch FROM target - clock_timestamp())))
$$;
"""

CREATE_V2 = """
-- How far the consumers of a queue have come (chassis.messaging.queue_progress), in real time.
CREATE TABLE queue_marks (
    queue      text PRIMARY KEY,
    reached_at timestamptz NOT NULL
) WITH (fillfactor = 50);
"""

CREATE_V3 = """
-- What the processes of a service use that costs money, by hour of real time (chassis.database.usage).
CREATE TABLE usage (
    hour      timestamptz NOT NULL,
    meter     text NOT NULL,
    operation text NOT NULL,
    resource  text NOT NULL,
    amount    double precision NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (hour, meter, operation, resource)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
"""

CREATE_V4 = """
-- Deleted users, whose personal data this service erases (chassis.messaging.erasures). In real time.
CREATE TABLE erasures (
    user_id      uuid PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX erasures_pending ON erasures (requested_at) WHERE erased_at IS NULL;

-- A dead letter that is to be put back on its queue.
ALTER TABLE dead_letters ADD COLUMN redrive boolean NOT NULL DEFAULT false;
CREATE INDEX dead_letters_redrive ON dead_letters (queue, id) WHERE redrive;
"""
