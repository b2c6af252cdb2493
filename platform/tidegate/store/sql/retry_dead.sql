-- retry_dead.sql: enqueues a dead job again as a new one, links the two, and tells its place. The lease goes on where it was, so that
-- nothing of an old holder can ever match.
WITH letter AS MATERIALIZED (
    SELECT * FROM tidegate.dead_letters WHERE job_id = %(id)s AND retried_as IS NULL AND discarded_at IS NULL AND NOT redacted ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED
), born AS (
    INSERT INTO tidegate.jobs (queue, kind, args, priority, max_attempts, meta, unique_key, run_at, state, seq, lease)
    SELECT queue, kind, args, priority, max_attempts, meta, unique_key, statement_timestamp(), 'ready', nextval('tidegate.job_seq'), lease
    FROM letter
    RETURNING id, queue, priority, seq
), linked AS (
    UPDATE tidegate.dead_letters AS d SET retried_as = born.id FROM letter, born WHERE d.id = letter.id
)
SELECT id, queue, pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_build_object(priority, seq))::text) FROM born
