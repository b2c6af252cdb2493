-- enqueue.sql: inserts jobs in the order given and returns their ids and places, in that order.
-- `tell` is true only inside a caller's transaction: everywhere else the client notifies after the commit (protocol H3).
WITH input AS MATERIALIZED (
    SELECT i.*, coalesce(i.run_at, statement_timestamp() + i.delay * interval '1 second') AS due
    FROM unnest(
        %(queues)s::text[], %(kinds)s::text[], %(args)s::text[], %(priorities)s::smallint[], %(delays)s::float8[],
        %(run_ats)s::timestamptz[], %(max_attempts)s::smallint[], %(metas)s::text[]
    ) WITH ORDINALITY AS i (queue, kind, args, priority, delay, run_at, max_attempts, meta, n)
), inserted AS (
    INSERT INTO tidegate.jobs (queue, kind, args, priority, max_attempts, meta, run_at, state, seq)
    SELECT queue, kind, args::json, priority, max_attempts, meta::json, due,
        CASE WHEN due > statement_timestamp() THEN 'scheduled' ELSE 'ready' END,
        CASE WHEN due > statement_timestamp() THEN 0 ELSE nextval('tidegate.job_seq') END
    FROM input ORDER BY n
    RETURNING id, queue, priority, seq, state
), places AS (
    SELECT queue, priority, min(seq) AS seq FROM inserted WHERE state = 'ready' GROUP BY queue, priority
), told AS MATERIALIZED (
    SELECT pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_object_agg(priority, seq))::text)
    FROM places WHERE %(tell)s GROUP BY queue
)
SELECT id, queue, priority, seq, state, (SELECT count(*) FROM told) AS told FROM inserted ORDER BY id
