-- letters_groups.sql: open dead letters that match, by fingerprint, the largest group first. They are counted in the index alone; the
-- words of a group are those of its newest letter.
WITH parts AS (
    SELECT fingerprint, kind, queue, count(*) AS count, min(died_at) AS first_seen, max(died_at) AS last_seen, max(id) AS newest
    FROM tidegate.dead_letters
    WHERE retried_as IS NULL AND discarded_at IS NULL
        AND {{letters_matching}}
    GROUP BY fingerprint, kind, queue
), groups AS (
    SELECT fingerprint, sum(count)::bigint AS count, array_agg(DISTINCT kind) AS kinds, array_agg(DISTINCT queue) AS queues,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(newest) AS newest
    FROM parts GROUP BY fingerprint ORDER BY count DESC, fingerprint LIMIT %(n)s
)
SELECT g.fingerprint, g.count, g.kinds, g.queues, g.first_seen, g.last_seen, d.error_type, d.error_message, e.status,
    ARRAY(
        SELECT id FROM tidegate.dead_letters AS sample
        WHERE sample.fingerprint = g.fingerprint AND retried_as IS NULL AND discarded_at IS NULL
            AND {{letters_matching}}
        ORDER BY id DESC LIMIT 5
    ) AS sample_ids
FROM groups AS g
JOIN tidegate.dead_letters AS d ON d.id = g.newest
LEFT JOIN tidegate.errors AS e ON e.fingerprint = g.fingerprint
ORDER BY g.count DESC, g.fingerprint
