-- happenings_letters.sql: dead letters that nobody was told of, in their groups; they count as told from here on. They are found by
-- their mark, not by a position: one whose transaction took longer than that of a later one is not passed over. Nobody wants to hear
-- of a group that was muted.
WITH fresh AS MATERIALIZED (
    SELECT id FROM tidegate.dead_letters WHERE NOT told AND died_at >= to_timestamp(%(since)s)
    ORDER BY died_at LIMIT %(n)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE tidegate.dead_letters AS d SET told = true FROM fresh WHERE d.id = fresh.id
    RETURNING d.id, d.job_id, d.queue, d.kind, d.reason, d.died_at, d.fingerprint, left(d.error_type, 200) AS error_type,
        left(d.error_message, 2000) AS error_message
), newest AS (
    SELECT DISTINCT ON (queue, kind, reason, fingerprint) queue, kind, reason, fingerprint, id, job_id, error_type, error_message
    FROM marked ORDER BY queue, kind, reason, fingerprint, id DESC
)
SELECT n.queue, n.kind, n.reason, n.fingerprint, n.id, n.job_id, n.error_type, n.error_message, g.deaths,
    extract(epoch FROM g.first)::float8 AS first, extract(epoch FROM g.last)::float8 AS last
FROM newest AS n JOIN (
    SELECT queue, kind, reason, fingerprint, count(*) AS deaths, min(died_at) AS first, max(died_at) AS last
    FROM marked GROUP BY queue, kind, reason, fingerprint
) AS g ON (g.queue, g.kind, g.reason) = (n.queue, n.kind, n.reason) AND g.fingerprint IS NOT DISTINCT FROM n.fingerprint
WHERE NOT EXISTS (SELECT FROM tidegate.errors AS e WHERE e.fingerprint = n.fingerprint AND e.status = 'muted')
ORDER BY g.first, n.id
