-- circuit_history.sql: what a circuit went through, the newest first, from `before` on.
SELECT id, circuit, gen, from_state, to_state, reason, n, failed, slow, until, top_errors, sample_job_ids, node, actor, note, at
FROM tidegate.circuit_events
WHERE circuit = %(circuit)s AND id < %(before)s
ORDER BY id DESC LIMIT %(n)s
