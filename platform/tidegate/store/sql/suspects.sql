-- suspects.sql: the running jobs of a lost node, locked, so that the rescue that follows in this transaction is the only one.
SELECT id, queue, kind, attempt, lease, crashes, extract(epoch FROM clock_timestamp() - claimed_at)::float8 AS age,
    permit_circuit, permit_gen, suspect
FROM tidegate.jobs WHERE state = 'running' AND node = %(node)s
ORDER BY id LIMIT %(n)s FOR UPDATE SKIP LOCKED
