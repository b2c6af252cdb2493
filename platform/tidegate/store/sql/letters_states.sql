-- letters_states.sql: what became of dead letters that are named.
SELECT id, job_id, queue, kind, retried_as, discarded_at, redacted FROM tidegate.dead_letters WHERE id = ANY (%(ids)s::bigint[])
