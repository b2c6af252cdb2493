-- letters_hours.sql: how many of the open dead letters that match died in each hour, by group.
SELECT fingerprint, date_trunc('hour', died_at, 'UTC') AS hour, count(*) AS count
FROM tidegate.dead_letters
WHERE retried_as IS NULL AND discarded_at IS NULL
    AND {{letters_matching}}
GROUP BY fingerprint, date_trunc('hour', died_at, 'UTC')
ORDER BY hour
