-- claim_blind.sql: does what claim.sql does without a look at the circuits, for while those cannot be read (rule 21).
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open
), picked AS MATERIALIZED (
    SELECT ready.id
    FROM unnest(%(priorities)s::smallint[], %(seqs)s::bigint[]) AS hint (priority, seq)
    CROSS JOIN LATERAL (
        SELECT id FROM tidegate.jobs
        WHERE state = 'ready' AND queue = %(queue)s AND priority = hint.priority AND seq >= hint.seq AND kind = ANY (%(kinds)s::text[])
            AND NOT suspect
        ORDER BY seq LIMIT %(n)s FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE (SELECT open FROM gate)
    LIMIT %(n)s
), claimed AS (
    UPDATE tidegate.jobs AS j
    SET state = 'running', node = %(node)s, lease = j.lease + 1, attempt = j.attempt + 1, claimed_at = clock_timestamp()
    WHERE j.id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING j.id, j.queue, j.kind, j.args, j.attempt, j.max_attempts, j.priority, j.lease, j.seq, j.enqueued_at, j.run_at,
        extract(epoch FROM clock_timestamp() - j.run_at)::float8 AS waited, j.crashes, j.meta
)
SELECT claimed.*, false AS gated, CASE WHEN gate.open THEN places.last_value END AS horizon
FROM gate CROSS JOIN tidegate.job_seq AS places LEFT JOIN claimed ON true
