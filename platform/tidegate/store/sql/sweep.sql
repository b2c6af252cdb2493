-- sweep.sql: a claim from the very start, over all priorities: the last net for rows behind every hint (protocol H4).
-- It walks whatever died at the head of the index, so its caller paces it by its own duration.
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open
), moved AS MATERIALIZED (
    SELECT of.kind, c.gen, c.gates
    FROM tidegate.circuits AS c JOIN unnest(%(with_circuit)s::text[], %(circuits)s::text[]) AS of (kind, circuit) ON of.circuit = c.name
    WHERE c.gen > 0
), picked AS MATERIALIZED (
    SELECT id FROM tidegate.jobs
    WHERE state = 'ready' AND queue = %(queue)s AND kind = ANY (%(kinds)s::text[])
        AND coalesce(kind <> ALL (ARRAY(SELECT kind FROM moved WHERE gates)), true)
        AND NOT suspect AND (SELECT open FROM gate)
    ORDER BY priority, seq LIMIT %(n)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE tidegate.jobs AS j
    SET state = 'running', node = %(node)s, lease = j.lease + 1, attempt = j.attempt + 1, claimed_at = clock_timestamp()
    WHERE j.id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING j.id, j.queue, j.kind, j.args, j.attempt, j.max_attempts, j.priority, j.lease, j.seq, j.enqueued_at, j.run_at,
        extract(epoch FROM clock_timestamp() - j.run_at)::float8 AS waited, j.crashes, j.meta
)
SELECT claimed.*, moved.gen, CASE WHEN gate.open THEN places.last_value END AS horizon
FROM gate CROSS JOIN tidegate.job_seq AS places LEFT JOIN claimed ON true LEFT JOIN moved ON moved.kind = claimed.kind
