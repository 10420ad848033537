-- The endpoints with something pending are found by skipping through the index, and of each no more is taken than it has
-- room for: deliveries that wait for an endpoint cost only their place in the index, and block no others. With
-- endpoint_ids only these are looked at.
-- Deliveries for a disabled or deleted endpoint are claimed whenever their next attempt would be, to be ended.
-- Probes go first. A circuit is half open only where a delivery was claimed to probe it: otherwise it would stay so
-- until the probe counts as lost.
-- (SELECT clock_timestamp()) is evaluated once; written plainly it is volatile and keeps the index from being used.
-- name: claim
WITH RECURSIVE skipped AS (
    (SELECT endpoint_id, due_at FROM deliveries
     WHERE status = 'PENDING' AND priority = :priority AND CAST(:endpoint_ids AS uuid[]) IS NULL
     ORDER BY endpoint_id, due_at LIMIT 1)
    UNION ALL
    SELECT n.endpoint_id, n.due_at FROM skipped p CROSS JOIN LATERAL (
        SELECT d.endpoint_id, d.due_at FROM deliveries d
        WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id > p.endpoint_id
        ORDER BY d.endpoint_id, d.due_at LIMIT 1
    ) n
), pending AS (
    SELECT endpoint_id, due_at FROM skipped
    UNION ALL
    SELECT o.endpoint_id, n.due_at
    FROM unnest(CAST(:endpoint_ids AS uuid[])) AS o (endpoint_id) CROSS JOIN LATERAL (
        SELECT d.due_at FROM deliveries d
        WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id = o.endpoint_id
        ORDER BY d.due_at LIMIT 1
    ) n
), gates AS (
    SELECT w.endpoint_id, p.rate_limit, coalesce(p.enabled, false) AS enabled, coalesce(r.room, least(CAST(:default_room AS integer), 2 * p.concurrency)) AS room,
           coalesce(c.state, 'CLOSED') AS state, coalesce(c.generation, 0) AS generation,
           coalesce(c.in_row, 0) > 0 AS failing
    FROM pending w LEFT JOIN endpoints p ON p.id = w.endpoint_id
    LEFT JOIN circuits c ON c.endpoint_id = w.endpoint_id LEFT JOIN unnest(CAST(:rooms_of AS uuid[]), CAST(:rooms AS integer[])) AS r (endpoint_id, room) ON r.endpoint_id = w.endpoint_id
    WHERE w.due_at <= (SELECT clock_timestamp()) OR p.enabled IS NOT TRUE
), probes AS (
    SELECT d.id, c.endpoint_id
    FROM gates g JOIN circuits c ON c.endpoint_id = g.endpoint_id AND c.state <> 'CLOSED'
                                AND c.probe_at <= (SELECT clock_timestamp())
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE status = 'PENDING' AND priority = :priority AND endpoint_id = g.endpoint_id
          AND due_at <= (SELECT clock_timestamp())
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) d WHERE g.enabled AND g.room > 0
    LIMIT CAST(:limit AS integer) FOR UPDATE OF c SKIP LOCKED
), probed AS (
    UPDATE circuits c
    SET state = 'HALF_OPEN', probe = b.id, probe_at = clock_timestamp() + make_interval(secs => :probe_seconds)
    FROM probes b WHERE c.endpoint_id = b.endpoint_id
    RETURNING b.id, c.generation
), wanted AS (
    SELECT g.endpoint_id, g.rate_limit, floor(greatest(1, g.rate_limit)) AS burst, n.deliveries
    FROM gates g CROSS JOIN LATERAL (
        SELECT count(*) AS deliveries FROM (
            SELECT FROM deliveries d WHERE d.status = 'PENDING' AND d.priority = :priority
              AND d.endpoint_id = g.endpoint_id AND d.due_at <= (SELECT clock_timestamp()) LIMIT g.room
        ) up_to
    ) n WHERE g.enabled AND g.room > 0 AND g.state = 'CLOSED' AND g.rate_limit IS NOT NULL
), metered AS (
    INSERT INTO meters AS m (endpoint_id, rate, tokens, refilled_at, granted)
    SELECT endpoint_id, rate_limit, burst - least(deliveries, burst), clock_timestamp(), least(deliveries, burst)
    FROM wanted ORDER BY endpoint_id
    ON CONFLICT (endpoint_id) DO UPDATE
    SET (rate, refilled_at, granted, tokens) = (
        SELECT excluded.rate, excluded.refilled_at, g.granted, b.tokens - g.granted
        FROM (SELECT least(
            excluded.tokens + excluded.granted,
            m.tokens + greatest(0, extract(epoch FROM excluded.refilled_at - m.refilled_at)) * excluded.rate
        ) AS tokens) b CROSS JOIN LATERAL (SELECT least(excluded.granted, floor(b.tokens)) AS granted) g
    )
    RETURNING m.endpoint_id, m.granted
), grants AS (
    SELECT endpoint_id, CAST(:limit AS integer) AS deliveries, generation, failing, true AS ended
    FROM gates WHERE NOT enabled
    UNION ALL SELECT m.endpoint_id, m.granted, g.generation, g.failing, false
              FROM metered m JOIN gates g ON g.endpoint_id = m.endpoint_id WHERE m.granted > 0
    UNION ALL SELECT endpoint_id, room, generation, failing, false FROM gates
              WHERE enabled AND room > 0 AND state = 'CLOSED' AND rate_limit IS NULL
), due AS (
    SELECT * FROM (
        SELECT d.id, d.lease IS NOT NULL AS abandoned, b.generation, true AS failing, true AS probe
        FROM probed b JOIN deliveries d ON d.id = b.id
        UNION ALL
        SELECT d.id, d.abandoned, g.generation, g.failing, false
        FROM (
            SELECT *, CASE WHEN ended THEN 'infinity' ELSE (SELECT clock_timestamp()) END AS until
            FROM grants ORDER BY random()
        ) g CROSS JOIN LATERAL (
            SELECT id, lease IS NOT NULL AS abandoned FROM deliveries
            WHERE status = 'PENDING' AND priority = :priority AND endpoint_id = g.endpoint_id
              AND due_at <= g.until AND (lease IS NULL OR due_at <= (SELECT clock_timestamp()))
            ORDER BY due_at LIMIT g.deliveries FOR UPDATE SKIP LOCKED
        ) d
    ) a LIMIT CAST(:limit AS integer)
), claimed AS (
    UPDATE deliveries d
    SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds),
        leases_lost = d.leases_lost + CAST(due.abandoned AS integer)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.event_id, d.endpoint_id, d.tries, d.expires_at, due.abandoned, due.generation, due.failing,
              due.probe, due.abandoned AND d.leases_lost > 1 AS abandoned_again
)
SELECT c.id AS delivery_id, c.event_id, c.endpoint_id, c.tries, c.abandoned, e.operational, e.due, x.expires_at,
       e.traceparent, c.abandoned_again,
       x.expires_at <= (SELECT almanac_now()) AS expired, p.enabled, c.generation, c.failing, c.probe, p.version, p.kind, p.url, p.sealed, p.timeout_seconds, p.rate_limit, p.concurrency, p.retry_schedule,
       p.subject, p.text, p.html, p.respect_send_window
FROM claimed c JOIN events e ON e.id = c.event_id
CROSS JOIN LATERAL (SELECT coalesce(c.expires_at, e.expires_at) AS expires_at) x
LEFT JOIN endpoints p ON p.id = c.endpoint_id;

-- Due deliveries that could not be claimed wait for their endpoint: for the circuit's probe, or for a token.
-- name: waiting
WITH RECURSIVE pending AS (
    (SELECT endpoint_id, due_at FROM deliveries WHERE status = 'PENDING' AND priority = :priority
     ORDER BY endpoint_id, due_at LIMIT 1)
    UNION ALL
    SELECT n.endpoint_id, n.due_at FROM pending p CROSS JOIN LATERAL (
        SELECT d.endpoint_id, d.due_at FROM deliveries d
        WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id > p.endpoint_id
        ORDER BY d.endpoint_id, d.due_at LIMIT 1
    ) n
)
SELECT w.endpoint_id, CAST(extract(epoch FROM w.due_at - n.now) AS float8) AS due_in,
       CAST(greatest(extract(epoch FROM c.probe_at - n.now),
                     (1 - m.tokens) / m.rate - extract(epoch FROM n.now - m.refilled_at)) AS float8) AS open_in
FROM pending w CROSS JOIN (SELECT clock_timestamp() AS now) n
LEFT JOIN endpoints p ON p.id = w.endpoint_id
LEFT JOIN circuits c ON c.endpoint_id = w.endpoint_id
LEFT JOIN meters m ON m.endpoint_id = w.endpoint_id AND p.rate_limit IS NOT NULL;

-- Those who wait for their endpoint are not looked at one by one, so their expiry is looked for.
-- name: claim_expired
WITH due AS (
    SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event_id
    WHERE d.status = 'PENDING' AND d.priority = :priority AND d.endpoint_id = ANY (CAST(:endpoint_ids AS uuid[]))
      AND d.due_at <= (SELECT clock_timestamp()) AND d.lease IS NULL
      AND coalesce(d.expires_at, e.expires_at) <= (SELECT almanac_now())
    LIMIT CAST(:limit AS integer) FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d
SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM due JOIN deliveries o ON o.id = due.id JOIN events e ON e.id = o.event_id WHERE d.id = due.id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent;

-- name: release
UPDATE deliveries d SET lease = NULL, due_at = clock_timestamp()
FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS r (id, lease)
WHERE d.id = r.id AND d.lease = r.lease AND d.status = 'PENDING';
