-- claim.sql: takes up to `n` ready jobs, priority by priority, each from its hint on (protocol H1, L2, K1); suspects have a claim of
-- their own (L8).
-- unnest yields the priorities in order and the lateral join is pulled row by row, so that a less urgent priority is not even
-- locked while a more urgent one fills the claim. Returns one row at least: its horizon is the last place of the claim order so far,
-- NULL where the node is dead or the queue paused, so that the caller does not take "closed" for "empty".
-- It takes nothing while any circuit of the fleet holds jobs back, and says so: claim_gated.sql is for that. So this one, which runs
-- all day, needs to know of circuits no more than that there are none that gate: one look into an index that is empty.
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open,
        EXISTS (SELECT FROM tidegate.circuits WHERE gates) AS gated
), picked AS MATERIALIZED (
    SELECT ready.id
    FROM unnest(%(priorities)s::smallint[], %(seqs)s::bigint[]) AS hint (priority, seq)
    CROSS JOIN LATERAL (
        SELECT id FROM tidegate.jobs
        WHERE state = 'ready' AND queue = %(queue)s AND priority = hint.priority AND seq >= hint.seq AND kind = ANY (%(kinds)s::text[])
            AND NOT suspect
        ORDER BY seq LIMIT %(n)s FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE (SELECT open AND NOT gated FROM gate)
    LIMIT %(n)s
), claimed AS (
    UPDATE tidegate.jobs AS j
    SET state = 'running', node = %(node)s, lease = j.lease + 1, attempt = j.attempt + 1, claimed_at = clock_timestamp()
    WHERE j.id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING j.id, j.queue, j.kind, j.args, j.attempt, j.max_attempts, j.priority, j.lease, j.seq, j.enqueued_at, j.run_at,
        extract(epoch FROM clock_timestamp() - j.run_at)::float8 AS waited, j.crashes, j.meta
)
SELECT claimed.*, gate.gated, CASE WHEN gate.open AND NOT gate.gated THEN places.last_value END AS horizon
FROM gate CROSS JOIN tidegate.job_seq AS places LEFT JOIN claimed ON true
