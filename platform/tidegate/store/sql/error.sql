-- error.sql: one group of failures, with its counts by hour and how many dead letters it has.
SELECT e.*, coalesce((
    SELECT sum(h.count) FROM tidegate.error_hours AS h
    WHERE h.fingerprint = e.fingerprint AND h.hour > statement_timestamp() - interval '24 hours'
), 0)::bigint AS last_day,
    coalesce((
        SELECT json_agg(json_build_object('hour', h.hour, 'count', h.count) ORDER BY h.hour)
        FROM tidegate.error_hours AS h WHERE h.fingerprint = e.fingerprint
    ), '[]'::json)::text AS hours,
    (
        SELECT count(*) FROM tidegate.dead_letters AS d
        WHERE d.fingerprint = e.fingerprint AND d.retried_as IS NULL AND d.discarded_at IS NULL
    ) AS letters
FROM tidegate.errors AS e WHERE e.fingerprint = %(fingerprint)s
