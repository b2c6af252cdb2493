-- claim_suspects.sql: takes jobs that were there when a node was lost (protocol L8): one that was in `alone_from` losses or more,
-- where `alone` allows that, else up to `n` others. Which of them a node may hold is decided by runtime/quarantine.py. Kinds whose
-- circuit gates are left out, as they are by every claim but claim_circuit.sql.
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open
), moved AS MATERIALIZED (
    SELECT of.kind, c.gen, c.gates
    FROM tidegate.circuits AS c JOIN unnest(%(with_circuit)s::text[], %(circuits)s::text[]) AS of (kind, circuit) ON of.circuit = c.name
    WHERE c.gen > 0
), able AS MATERIALIZED (
    SELECT kind FROM unnest(%(kinds)s::text[]) AS known (kind)
    WHERE (SELECT open FROM gate) AND kind NOT IN (SELECT kind FROM moved WHERE gates)
), lone AS MATERIALIZED (
    SELECT id FROM tidegate.jobs
    WHERE state = 'ready' AND suspect AND queue = %(queue)s AND kind IN (SELECT kind FROM able) AND crashes >= %(alone_from)s
        AND %(alone)s
    ORDER BY priority, seq LIMIT 1 FOR UPDATE SKIP LOCKED
), several AS MATERIALIZED (
    SELECT id FROM tidegate.jobs
    WHERE state = 'ready' AND suspect AND queue = %(queue)s AND kind IN (SELECT kind FROM able) AND crashes < %(alone_from)s
        AND NOT EXISTS (SELECT FROM lone)
    ORDER BY priority, seq LIMIT %(n)s FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE tidegate.jobs AS j
    SET state = 'running', node = %(node)s, lease = j.lease + 1, attempt = j.attempt + 1, claimed_at = clock_timestamp()
    WHERE j.id = ANY (ARRAY(SELECT id FROM lone UNION ALL SELECT id FROM several))
    RETURNING j.id, j.queue, j.kind, j.args, j.attempt, j.max_attempts, j.priority, j.lease, j.seq, j.enqueued_at, j.run_at,
        extract(epoch FROM clock_timestamp() - j.run_at)::float8 AS waited, j.crashes, j.meta
)
SELECT claimed.*, moved.gen FROM claimed LEFT JOIN moved ON moved.kind = claimed.kind
