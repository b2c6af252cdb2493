-- redrive_step.sql: brings back up to `n` of the letters of a redrive that is running, the oldest first: each becomes a new job whose
-- lease goes on where it was, so that nothing of an old holder can ever match, and is linked to it. All in this one statement, so that
-- whoever is killed has brought back each letter whole or not at all. What came without its secrets is left.
WITH redrive AS MATERIALIZED (
    SELECT * FROM tidegate.redrives WHERE id = %(redrive)s AND state = 'running' AND driver = %(driver)s FOR UPDATE
), letters AS MATERIALIZED (
    SELECT d.* FROM tidegate.dead_letters AS d
    WHERE d.retried_as IS NULL AND d.discarded_at IS NULL AND NOT d.redacted
        AND d.id > (SELECT at FROM redrive) AND d.id <= (SELECT upto FROM redrive)
        AND {{letters_matching}}
    ORDER BY d.id LIMIT %(n)s FOR UPDATE OF d SKIP LOCKED
), placed AS MATERIALIZED (
    SELECT ordered.*, nextval('tidegate.job_id') AS new_id, nextval('tidegate.job_seq') AS new_seq
    FROM (SELECT * FROM letters ORDER BY id) AS ordered
), born AS (
    INSERT INTO tidegate.jobs (id, queue, kind, args, priority, max_attempts, meta, unique_key, run_at, state, seq, lease)
    SELECT new_id, coalesce((SELECT queue FROM redrive), queue), kind, args, priority, max_attempts, meta, unique_key,
        statement_timestamp(), 'ready', new_seq, lease
    FROM placed
    RETURNING queue, priority, seq
), linked AS (
    UPDATE tidegate.dead_letters AS d SET retried_as = p.new_id FROM placed AS p
    WHERE d.id = p.id
), counted AS (
    -- at the end from the start again, for what somebody else held
    UPDATE tidegate.redrives AS r SET done = r.done + (SELECT count(*) FROM placed), changed_at = statement_timestamp(),
        at = coalesce((SELECT max(id) FROM placed), 0), beat_at = clock_timestamp(),
        canaries = CASE WHEN %(canary)s THEN r.canaries || ARRAY(SELECT new_id FROM placed ORDER BY id) ELSE r.canaries END
    FROM redrive WHERE r.id = redrive.id
    RETURNING r.done
), told AS MATERIALIZED (
    SELECT pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_object_agg(priority, seq))::text)
    FROM (SELECT queue, priority, min(seq) AS seq FROM born GROUP BY queue, priority) AS places
    GROUP BY queue
)
SELECT id, new_id AS job_id, queue, (SELECT count(*) FROM told) AS told FROM placed ORDER BY id
