-- purge.sql: ends up to `n` waiting jobs of a queue as cancelled, among those that there were when the purge began (`upto`).
WITH wanted AS MATERIALIZED (
    SELECT id FROM tidegate.jobs
    WHERE queue = %(queue)s AND state = %(state)s AND id <= %(upto)s
    LIMIT %(n)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tidegate.jobs AS j USING wanted WHERE j.id = wanted.id RETURNING j.*
)
INSERT INTO tidegate.history (id, queue, kind, state, priority, attempt, lease, max_attempts, enqueued_at, run_at, finished_at, args, meta,
    error_type, error_message)
SELECT id, queue, kind, 'cancelled', priority, attempt, lease, max_attempts, enqueued_at, run_at, statement_timestamp(), args, meta,
    'Cancelled', %(why)s
FROM gone
