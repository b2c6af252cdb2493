-- claim_circuit.sql: takes up to `n` ready jobs of one circuit's kinds, from the hints of its own cursor on (protocol H5): freely
-- where it is closed, else as many as it has places for. The permits are counted in this statement, under the lock of the circuit's
-- row, whose newest version says how many are out; counting running jobs instead would go by this statement's old snapshot. Returns
-- one row at least, with the horizon (NULL where nothing was looked at) and how many it could have taken (NULL: any number).
-- Suspects (protocol L8) are taken on permits only, which are few: where nothing else is there, they have to be the probes.
WITH gate AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM tidegate.nodes WHERE id = %(node)s AND NOT dead)
        AND NOT EXISTS (SELECT FROM tidegate.queue_controls WHERE queue = %(queue)s AND paused) AS open
), limited AS MATERIALIZED (
    SELECT c.gen, most.permits - c.permits AS room
    FROM tidegate.circuits AS c CROSS JOIN LATERAL (
        SELECT CASE WHEN c.ramp_from IS NULL THEN c.places ELSE greatest(
            c.places * 2 ^ least(floor(extract(epoch FROM clock_timestamp() - c.ramp_from) / c.ramp_step), 20) - c.carried, 1
        )::integer END AS permits
    ) AS most
    WHERE c.name = %(circuit)s AND c.gates AND c.permits < most.permits AND (SELECT open FROM gate)
    FOR UPDATE OF c
), allowed AS MATERIALIZED (
    SELECT gen, room FROM limited
    UNION ALL
    SELECT gen, NULL FROM tidegate.circuits WHERE name = %(circuit)s AND NOT gates AND (SELECT open FROM gate)
), picked AS MATERIALIZED (
    SELECT ready.id
    FROM unnest(%(priorities)s::smallint[], %(seqs)s::bigint[]) AS hint (priority, seq)
    CROSS JOIN LATERAL (
        SELECT id FROM tidegate.jobs
        WHERE state = 'ready' AND queue = %(queue)s AND priority = hint.priority AND seq >= hint.seq
            AND kind = ANY (%(circuit_kinds)s::text[]) AND (NOT suspect OR (SELECT room IS NOT NULL FROM allowed))
        ORDER BY seq LIMIT %(n)s FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE EXISTS (SELECT FROM allowed)
    LIMIT (SELECT least(%(n)s, coalesce(room, %(n)s)) FROM allowed)
), claimed AS (
    UPDATE tidegate.jobs AS j
    SET state = 'running', node = %(node)s, lease = j.lease + 1, attempt = j.attempt + 1, claimed_at = clock_timestamp(),
        permit_circuit = CASE WHEN allowed.room IS NOT NULL THEN %(circuit)s END,
        permit_gen = CASE WHEN allowed.room IS NOT NULL THEN allowed.gen END
    FROM allowed WHERE j.id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING j.id, j.queue, j.kind, j.args, j.attempt, j.max_attempts, j.priority, j.lease, j.seq, j.enqueued_at, j.run_at,
        extract(epoch FROM clock_timestamp() - j.run_at)::float8 AS waited, j.crashes, j.meta
), given AS (
    UPDATE tidegate.circuits SET permits = permits + (SELECT count(*) FROM claimed)
    WHERE name = %(circuit)s AND EXISTS (SELECT FROM limited) AND EXISTS (SELECT FROM claimed)
)
SELECT claimed.*, allowed.gen, allowed.room, CASE WHEN allowed.gen IS NOT NULL THEN so_far.last_value END AS horizon
FROM tidegate.job_seq AS so_far LEFT JOIN allowed ON true LEFT JOIN claimed ON true
