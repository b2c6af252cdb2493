-- retry_finished.sql: enqueues a job that is over (completed or cancelled) again as a new one, and tells its place.
WITH born AS (
    INSERT INTO tidegate.jobs (queue, kind, args, priority, max_attempts, meta, run_at, state, seq, lease)
    SELECT queue, kind, args, priority, max_attempts, meta, statement_timestamp(), 'ready', nextval('tidegate.job_seq'), lease
    FROM tidegate.history WHERE id = %(id)s ORDER BY finished_at DESC LIMIT 1
    RETURNING id, queue, priority, seq
)
SELECT id, queue, pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_build_object(priority, seq))::text) FROM born
