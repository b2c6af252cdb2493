-- cancel.sql: ends waiting jobs as cancelled, asks for the end of running ones and tells their nodes; what somebody else changes
-- at this moment is skipped (protocol A2), so a job that is not returned is either gone or to be asked for again.
WITH wanted AS MATERIALIZED (
    SELECT id, state FROM tidegate.jobs WHERE id = ANY (%(ids)s::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tidegate.jobs AS j USING wanted WHERE j.id = wanted.id AND wanted.state IN ('scheduled', 'ready') RETURNING j.*
), archived AS (
    INSERT INTO tidegate.history (id, queue, kind, state, priority, attempt, lease, max_attempts, enqueued_at, run_at, finished_at, args,
        meta, error_type, error_message)
    SELECT id, queue, kind, 'cancelled', priority, attempt, lease, max_attempts, enqueued_at, run_at, statement_timestamp(), args,
        meta, 'Cancelled', %(why)s
    FROM gone
), asked AS (
    UPDATE tidegate.jobs AS j SET cancel_requested = true FROM wanted WHERE j.id = wanted.id AND wanted.state = 'running'
    RETURNING j.id, j.queue
), told AS MATERIALIZED (
    SELECT pg_notify('tidegate', json_build_object('queue', queue, 'cancel', json_agg(id))::text) FROM asked GROUP BY queue
)
SELECT id, queue, 'cancelled' AS state, (SELECT count(*) FROM told) AS told FROM gone
UNION ALL
SELECT id, queue, 'running', (SELECT count(*) FROM told) FROM asked
