-- circuits_gated.sql: how many ready jobs each gating circuit holds back, by queue, among the first `most` ready jobs of each queue;
-- beyond those the reader estimates. A row without a circuit counts the jobs that nothing holds back. Reads nothing but an empty index
-- while no circuit gates.
WITH RECURSIVE held AS MATERIALIZED (
    SELECT DISTINCT ON (kind) kind, c.name AS circuit
    FROM tidegate.circuits AS c CROSS JOIN unnest(c.kinds) AS kind WHERE c.gates ORDER BY kind, c.seen_at DESC
), queues AS (
    (SELECT queue FROM tidegate.jobs WHERE state = 'ready' AND EXISTS (SELECT FROM held) ORDER BY queue, priority, seq LIMIT 1)
    UNION ALL
    SELECT next.queue
    FROM queues AS q CROSS JOIN LATERAL (
        SELECT queue FROM tidegate.jobs WHERE state = 'ready' AND queue > q.queue ORDER BY queue, priority, seq LIMIT 1
    ) AS next
)
SELECT q.queue, held.circuit, count(*) AS jobs, extract(epoch FROM clock_timestamp() - min(first.run_at))::float8 AS oldest_age
FROM queues AS q
CROSS JOIN LATERAL (
    SELECT kind, run_at FROM tidegate.jobs WHERE state = 'ready' AND queue = q.queue ORDER BY priority, seq LIMIT %(most)s
) AS first
LEFT JOIN held USING (kind)
GROUP BY q.queue, held.circuit
ORDER BY q.queue, held.circuit
