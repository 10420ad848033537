-- One statement decides, keeps the attempt and counts down. Several deliveries of one event may be in the batch, so they
-- are added up first; the events are locked in one order, so that two recorders cannot deadlock.
-- name: record
WITH given AS (
    SELECT *, retry_in IS NOT NULL AND retry_in >= almanac_real_delay(expires_at) AS too_late FROM unnest(
        CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
        CAST(:retry_ins AS float8[]), CAST(:expiries AS timestamptz[]), CAST(:verdicts AS text[]),
        CAST(:http_statuses AS smallint[]), CAST(:faults AS text[]), CAST(:headers AS text[]),
        CAST(:excerpts AS text[]), CAST(:started AS timestamptz[]), CAST(:durations AS float8[]),
        CAST(:trace_ids AS text[]), CAST(:details AS text[])
    ) AS g (id, lease, status, reason, retry_in, expires_at, verdict, http_status, fault, headers, excerpt, started_at,
            duration, trace_id, detail)
), result AS (
    SELECT *, CASE WHEN too_late THEN 'FAILED' ELSE status END AS becomes,
           CASE WHEN too_late THEN 'expired' ELSE reason END AS because,
           CASE WHEN verdict IS NULL THEN 0 ELSE 1 END AS made
    FROM given
), updated AS (
    UPDATE deliveries d
    SET status = r.becomes, reason = r.because, attempts = d.attempts + r.made, tries = d.tries + r.made, lease = NULL,
        leases_lost = 0,
        due_at = clock_timestamp() + make_interval(secs => coalesce(r.retry_in, 0)),
        http_status = CASE WHEN r.made = 1 THEN r.http_status ELSE d.http_status END,
        latency_seconds = coalesce(r.duration, d.latency_seconds),
        finished_at = CASE WHEN r.becomes <> 'PENDING' THEN clock_timestamp() END
    FROM result r
    WHERE d.id = r.id AND d.lease = r.lease AND d.status = 'PENDING'
    RETURNING d.id, d.event_id, d.status, d.reason, d.attempts
), kept AS (
    INSERT INTO attempts (delivery_id, number, verdict, http_status, error, headers, excerpt, started_at,
                          duration_seconds, trace_id, detail)
    SELECT u.id, u.attempts, r.verdict, r.http_status, r.fault, CAST(r.headers AS jsonb), r.excerpt, r.started_at,
           r.duration, r.trace_id, r.detail
    FROM updated u JOIN result r ON r.id = u.id WHERE r.made = 1
), ended AS (
    SELECT event_id, count(*) AS deliveries FROM updated WHERE status <> 'PENDING' GROUP BY event_id
), locked AS (
    SELECT e.id, n.deliveries FROM events e JOIN ended n ON n.event_id = e.id ORDER BY e.id FOR NO KEY UPDATE OF e
), counted AS (
    UPDATE events e
    SET remaining = e.remaining - l.deliveries,
        finished_at = CASE WHEN e.remaining = l.deliveries THEN almanac_now() END
    FROM locked l WHERE e.id = l.id
    RETURNING e.id, e.remaining = 0 AS finished
)
SELECT u.id, u.event_id, u.status, u.reason, coalesce(c.finished, false) AS finished
FROM updated u LEFT JOIN counted c ON c.id = u.event_id;
