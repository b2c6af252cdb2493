-- letter.sql: everything about one dead letter, with the letter that it was before it was retried, and the one that its retry became.
SELECT d.id, d.job_id, d.queue, d.kind, d.priority, d.attempt, d.lease, d.max_attempts, d.crashes, d.enqueued_at, d.run_at, d.died_at,
    d.reason, d.node, d.args::text AS args, d.meta::text AS meta, d.unique_key, d.error_type, d.error_message,
    d.fingerprint, d.attempts::text AS attempts, d.forensics::text AS forensics, d.retried_as, d.discarded_at,
    d.redacted, d.origin,
    (SELECT before.id FROM tidegate.dead_letters AS before WHERE before.retried_as = d.job_id LIMIT 1) AS retry_of,
    (SELECT again.id FROM tidegate.dead_letters AS again WHERE again.job_id = d.retried_as LIMIT 1) AS died_again_as,
    (
        SELECT count(*) FROM tidegate.dead_letters AS like_it
        WHERE like_it.fingerprint = d.fingerprint AND like_it.retried_as IS NULL AND like_it.discarded_at IS NULL
    ) AS alike
FROM tidegate.dead_letters AS d WHERE d.id = %(id)s
