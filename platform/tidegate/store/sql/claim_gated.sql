-- claim_gated.sql: does what claim.sql does, while some circuit of the fleet holds jobs back. Kinds whose circuit gates are left out,
-- untouched: that is the whole gate (rule 8). Each job comes with the generation of its circuit.
-- Which kinds are able is found once, and looked up by hash for each row: a node may know a thousand. coalesce keeps the planner from
-- making a join of it, which would cost it the index's order.
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open
), moved AS MATERIALIZED (
    SELECT of.kind, c.gen, c.gates
    FROM tidegate.circuits AS c JOIN unnest(%(with_circuit)s::text[], %(circuits)s::text[]) AS of (kind, circuit) ON of.circuit = c.name
    WHERE c.gen > 0
), able AS MATERIALIZED (
    SELECT unnest(%(kinds)s::text[]) AS kind EXCEPT SELECT kind FROM moved WHERE gates
), picked AS MATERIALIZED (
    SELECT ready.id
    FROM unnest(%(priorities)s::smallint[], %(seqs)s::bigint[]) AS hint (priority, seq)
    CROSS JOIN LATERAL (
        SELECT id FROM tidegate.jobs
        WHERE state = 'ready' AND queue = %(queue)s AND priority = hint.priority AND seq >= hint.seq
            AND coalesce(kind IN (SELECT kind FROM able), false) AND NOT suspect
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
SELECT claimed.*, moved.gen, CASE WHEN gate.open THEN places.last_value END AS horizon
FROM gate CROSS JOIN tidegate.job_seq AS places LEFT JOIN claimed ON true LEFT JOIN moved ON moved.kind = claimed.kind
