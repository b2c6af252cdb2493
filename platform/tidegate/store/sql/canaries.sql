-- canaries.sql: where the first jobs of a redrive are, and what became of those that are over.
SELECT id, state, NULL::text AS error_type, NULL::text AS error_message FROM tidegate.jobs WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT id, state, error_type, error_message FROM tidegate.history WHERE id = ANY (%(ids)s::bigint[])
UNION ALL
SELECT job_id, 'dead', error_type, error_message FROM tidegate.dead_letters WHERE job_id = ANY (%(ids)s::bigint[])
