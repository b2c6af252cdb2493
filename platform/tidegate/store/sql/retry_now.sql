-- retry_now.sql: makes a scheduled job ready now, and tells its place; no row where it is not scheduled or is being changed.
WITH wanted AS MATERIALIZED (
    SELECT id FROM tidegate.jobs WHERE id = %(id)s AND state = 'scheduled' FOR UPDATE SKIP LOCKED
), promoted AS (
    UPDATE tidegate.jobs AS j SET state = 'ready', seq = nextval('tidegate.job_seq'), run_at = statement_timestamp()
    FROM wanted WHERE j.id = wanted.id
    RETURNING j.id, j.queue, j.priority, j.seq
)
SELECT id, queue, pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_build_object(priority, seq))::text) FROM promoted
