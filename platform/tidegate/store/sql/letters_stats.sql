-- letters_stats.sql: how many open dead letters that match there are by group, by kind, by queue, by reason, and by hour: in each row
-- one of these is said.
SELECT CASE WHEN grouping(fingerprint) = 0 THEN fingerprint END AS fingerprint, kind, queue, reason, hour, sum(count)::bigint AS count,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM (
    SELECT fingerprint, kind, queue, reason, date_trunc('hour', died_at, 'UTC') AS hour, count(*) AS count, min(died_at) AS first_seen,
        max(died_at) AS last_seen
    FROM tidegate.dead_letters
    WHERE retried_as IS NULL AND discarded_at IS NULL
        AND {{letters_matching}}
    GROUP BY fingerprint, kind, queue, reason, date_trunc('hour', died_at, 'UTC')
) AS parts
GROUP BY GROUPING SETS ((fingerprint), (kind), (queue), (reason), (hour))
