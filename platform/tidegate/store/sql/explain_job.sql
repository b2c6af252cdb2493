-- explain_job.sql: what decides when a live job runs. `ahead` counts to `exact` and one more; `recent` looks at the last ended jobs of
-- all queues, so that the cost stays bounded whatever is in the tables.
SELECT j.id, j.queue, j.kind, j.state, j.attempt, j.node, j.cancel_requested,
    extract(epoch FROM j.run_at - clock_timestamp())::float8 AS due_in,
    extract(epoch FROM clock_timestamp() - j.claimed_at)::float8 AS running_for,
    coalesce((SELECT c.paused FROM tidegate.queue_controls AS c WHERE c.queue = j.queue), false) AS paused,
    EXISTS (SELECT FROM tidegate.nodes AS n WHERE n.id = j.node AND NOT n.dead) AS node_alive,
    (SELECT extract(epoch FROM n.expires - clock_timestamp())::float8 FROM tidegate.nodes AS n WHERE n.id = j.node) AS node_expires_in,
    extract(epoch FROM clock_timestamp() - (SELECT k.seen_at FROM tidegate.kinds AS k WHERE k.kind = j.kind))::float8 AS kind_seen_ago,
    (SELECT count(*) FROM (
        SELECT FROM tidegate.jobs AS a
        WHERE j.state = 'ready' AND a.state = 'ready' AND a.queue = j.queue AND (a.priority, a.seq) < (j.priority, j.seq)
        LIMIT %(exact)s + 1
    ) AS before) AS ahead,
    recent.rate
FROM tidegate.jobs AS j
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE h.queue = j.queue)
        / greatest(extract(epoch FROM clock_timestamp() - min(h.finished_at)), 1)::float8 AS rate
    FROM (SELECT queue, finished_at FROM tidegate.history ORDER BY id DESC LIMIT 5000) AS h
    WHERE h.finished_at > clock_timestamp() - interval '5 minutes'
) AS recent
WHERE j.id = %(id)s
