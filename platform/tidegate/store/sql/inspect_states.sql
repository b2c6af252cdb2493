-- inspect_states.sql: where jobs are, and what became of those that are over.
SELECT id, queue, state, NULL::bigint AS retried_as, false AS discarded, false AS redacted FROM tidegate.jobs WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT id, queue, state, NULL, false, false FROM tidegate.history WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT job_id, queue, 'dead', retried_as, discarded_at IS NOT NULL, redacted FROM tidegate.dead_letters WHERE job_id = ANY (%(ids)s::bigint[])
