-- inspect_lost.sql: nodes that were lost lately, the last one first, and what each of them held: what of it still waits to be rescued,
-- and what was taken from it. A node that ended cleanly has said so.
SELECT n.id, n.host, n.pid, n.version, n.started_at, n.queues, n.beat_at, n.accusation ->> 'why' AS why,
    extract(epoch FROM clock_timestamp() - n.beat_at)::float8 AS silent_for,
    coalesce((
        SELECT json_agg(held ORDER BY held.job)::text
        FROM (
            (SELECT j.id AS job, j.kind, j.attempt, false AS rescued FROM tidegate.jobs AS j WHERE j.state = 'running' AND j.node = n.id LIMIT 100)
            UNION ALL
            (
                SELECT a.job_id, NULL, a.attempt, true FROM tidegate.attempts AS a
                WHERE a.node = n.id AND a.outcome = 'lease_lost' AND a.finished_at >= n.beat_at LIMIT 100
            )
        ) AS held
    ), '[]') AS held
FROM tidegate.nodes AS n
WHERE n.dead AND n.status ->> 'retired' IS NULL AND n.beat_at > clock_timestamp() - %(age)s * interval '1 second'
ORDER BY n.beat_at DESC, n.id
