-- redrives.sql: redrives, the newest first; one that is running and was not heard of for 10 s is not driven any more.
SELECT id, state, wanted, upto, queue, rate, canary, canaries, total, done, said, actor, why, started_at, changed_at,
    coalesce(beat_at > clock_timestamp() - interval '10 seconds', false) AS driven
FROM tidegate.redrives
WHERE %(redrive)s::bigint IS NULL OR id = %(redrive)s
ORDER BY id DESC LIMIT %(n)s
