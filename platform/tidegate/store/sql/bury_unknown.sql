-- bury_unknown.sql: ready jobs of kinds that no live node has known for `age` seconds are dead as invalid (protocol K1).
-- Looks at the next `among` rows after the id `after` and no further, for no index knows kinds: over a backlog of millions one look at
-- all of them would keep a core busy for seconds. Returns one row at least: `place` is where to go on, 0 where the end was reached.
-- Their fingerprint is what tidegate.fingerprint makes of an unknown kind (a test holds the two together).
WITH seen AS MATERIALIZED (
    SELECT id, kind, state, run_at FROM tidegate.jobs WHERE id > %(after)s ORDER BY id LIMIT %(among)s
), unknown AS MATERIALIZED (
    SELECT id FROM seen
    WHERE state = 'ready' AND run_at < clock_timestamp() - %(age)s * interval '1 second'
        AND NOT EXISTS (
            SELECT FROM tidegate.kinds AS k WHERE k.kind = seen.kind AND k.seen_at > clock_timestamp() - %(age)s * interval '1 second'
        )
    ORDER BY id LIMIT %(n)s
), orphans AS MATERIALIZED (
    SELECT id FROM tidegate.jobs WHERE id = ANY (ARRAY(SELECT id FROM unknown)) AND state = 'ready' FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tidegate.jobs AS j USING orphans WHERE j.id = orphans.id RETURNING j.*
), buried AS (
    INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, reason,
        args, meta, unique_key, error_type, error_message, fingerprint, attempts, forensics)
    SELECT id, queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, 'invalid', args, meta, unique_key,
        'UnknownKind', format('no live node has known the kind %%s for %%s seconds', kind, %(age)s::numeric),
        left(encode(sha256(convert_to(E'UnknownKind\nof ' || kind, 'UTF8')), 'hex'), 16),
        coalesce((
            SELECT json_agg(told ORDER BY told.lease)
            FROM (
                SELECT t.attempt, t.lease, t.outcome, t.started_at, t.finished_at, t.duration, t.node, t.error_type, t.error_message,
                    t.traceback, t.output, t.fingerprint, t.locals
                FROM tidegate.attempts AS t WHERE t.job_id = gone.id
            ) AS told
        ), '[]'::json),
        %(forensics)s::json
    FROM gone
    RETURNING job_id, queue, kind
)
SELECT buried.job_id, buried.queue, buried.kind, looked.place
FROM (
    SELECT CASE
        WHEN (SELECT count(*) FROM unknown) >= %(n)s THEN (SELECT max(id) FROM unknown)
        WHEN (SELECT count(*) FROM seen) >= %(among)s THEN (SELECT max(id) FROM seen)
        ELSE 0
    END AS place
) AS looked LEFT JOIN buried ON true
