-- inspect_states.sql: where jobs are, and what became of those that are over.
SELECT id, queue, state, NULL::bigint AS retried_as FROM tidegate.jobs WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT id, queue, state, NULL FROM tidegate.history WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT job_id, queue, 'dead', retried_as FROM tidegate.dead_letters WHERE job_id = ANY (%(ids)s::bigint[])
