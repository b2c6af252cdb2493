-- redrives_health.sql: redrives that are not over, and those that their canaries stopped within a day, by where they stand, and how
-- many letters each still has to bring back. One that is running and was not heard of for 10 s is not driven any more.
SELECT state, count(*) AS redrives, sum(left_over)::bigint AS letters
FROM (
    SELECT greatest(total - done, 0) AS left_over,
        CASE WHEN state = 'running' AND coalesce(beat_at <= clock_timestamp() - interval '10 seconds', true) THEN 'interrupted'
            ELSE state END AS state
    FROM tidegate.redrives
    WHERE state = 'running' OR (state = 'stopped' AND changed_at > statement_timestamp() - interval '1 day')
) AS r
GROUP BY state
