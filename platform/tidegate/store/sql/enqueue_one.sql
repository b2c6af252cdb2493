-- enqueue_one.sql: inserts one job, by the rule of enqueue.sql, at a third of its cost; the client notifies after the commit.
INSERT INTO tidegate.jobs (queue, kind, args, priority, max_attempts, meta, run_at, state, seq)
SELECT %(queue)s, %(kind)s, %(args)s::json, %(priority)s, %(max_attempts)s, %(meta)s::json, due.at,
    CASE WHEN due.at > statement_timestamp() THEN 'scheduled' ELSE 'ready' END,
    CASE WHEN due.at > statement_timestamp() THEN 0 ELSE nextval('tidegate.job_seq') END
FROM (SELECT coalesce(%(run_at)s::timestamptz, statement_timestamp() + %(delay)s * interval '1 second') AS at) AS due
RETURNING id, queue, priority, seq, state
