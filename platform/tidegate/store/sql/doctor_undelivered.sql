-- doctor_undelivered.sql: channels with alerts that were given up, or have waited for long.
SELECT channel, count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state = 'pending' AND made_at < clock_timestamp() - %(age)s * interval '1 second') AS waiting,
    (array_agg(error ORDER BY id DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM tidegate.notifications WHERE state IN ('pending', 'failed')
GROUP BY channel
HAVING bool_or(state = 'failed' OR made_at < clock_timestamp() - %(age)s * interval '1 second')
ORDER BY channel
