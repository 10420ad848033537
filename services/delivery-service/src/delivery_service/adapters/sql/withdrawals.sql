-- name: retry_now
WITH waiting AS (
    SELECT d.id, p.id IS NOT NULL AS enabled
    FROM deliveries d LEFT JOIN endpoints p ON p.id = d.endpoint_id AND p.enabled
    WHERE d.id = :id AND d.status = 'PENDING' AND d.lease IS NULL FOR UPDATE OF d
), hurried AS (
    UPDATE deliveries d SET due_at = clock_timestamp() FROM waiting w WHERE d.id = w.id AND w.enabled
)
SELECT enabled FROM waiting;

-- name: lease_one
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM events e WHERE d.id = :id AND d.status = 'PENDING' AND d.lease IS NULL AND e.id = d.event_id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent;

-- By the index of what is pending: an endpoint's history can be a thousand times longer.
-- name: lease_ended
WITH waiting AS (
    SELECT d.id, p.id IS NOT NULL AS found
    FROM deliveries d LEFT JOIN endpoints p ON p.id = d.endpoint_id
    WHERE d.status = 'PENDING' AND d.priority = ANY (CAST(:priorities AS smallint[])) AND d.endpoint_id = :endpoint_id
      AND d.lease IS NULL AND p.enabled IS NOT TRUE
    LIMIT CAST(:limit AS integer) FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET lease = CAST(:lease AS uuid), due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM waiting w JOIN deliveries o ON o.id = w.id JOIN events e ON e.id = o.event_id WHERE d.id = w.id
RETURNING d.id AS delivery_id, d.event_id, d.tries, e.due, coalesce(d.expires_at, e.expires_at) AS expires_at,
          e.traceparent, w.found;
