-- promote.sql: makes up to `n` due jobs of a queue ready, in the order of their times; tells and returns the places that it made.
WITH due AS MATERIALIZED (
    SELECT id FROM tidegate.jobs
    WHERE state = 'scheduled' AND queue = %(queue)s AND run_at <= statement_timestamp()
    ORDER BY run_at LIMIT %(n)s FOR UPDATE SKIP LOCKED
), placed AS MATERIALIZED (
    SELECT id, nextval('tidegate.job_seq') AS seq FROM due
), promoted AS (
    UPDATE tidegate.jobs AS j SET state = 'ready', seq = placed.seq FROM placed
    WHERE j.id = ANY (ARRAY(SELECT id FROM placed)) AND j.id = placed.id
    RETURNING j.queue, j.priority, j.seq
), places AS MATERIALIZED (
    SELECT queue, priority, min(seq) AS seq, count(*) AS jobs FROM promoted GROUP BY queue, priority
), told AS MATERIALIZED (
    SELECT pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_object_agg(priority, seq))::text)
    FROM places GROUP BY queue
)
SELECT queue, priority, seq, jobs, (SELECT count(*) FROM told) AS told FROM places
